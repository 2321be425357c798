-- The number of open requests for present pairs, and the number of runs with changed pairs published since $1.
select
    (select count(*) from funnelproof.touched_window as touched where touched.present_pairs) as waiting,
    (
        select count(*)
        from dyno_crm.report_run as header
        inner join funnelproof.window_run as run on header.id = run.run_id
        where header.generated_at >= $1 and run.causes @> '{pairs_changed}'
    ) as revised
