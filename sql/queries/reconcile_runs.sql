-- The latest run of every closed window in scope: its pairs and facts, a number that grows with every change of its
-- partials, and whether a revision of it may be on its way.
select
    run.run_id,
    run.tenant_id,
    run.pipeline_id,
    run.window_name,
    run.window_start,
    run.window_end,
    run.revision,
    header.parameters -> 'stage_pairs' as stage_pairs,
    (
        select coalesce(jsonb_object_agg(stage.stage_id, stage.name), '{}')
        from funnelproof.pipeline_stage as stage
        where stage.tenant_id = run.tenant_id and stage.pipeline_id = run.pipeline_id
    ) as stage_names,
    (
        select
            coalesce(
                jsonb_agg(
                    jsonb_build_array(
                        fact.from_stage_id, fact.to_stage_id, fact.entered_count, fact.converted_count
                    )
                ),
                '[]'
            )
        from dyno_crm.report_stage_conversion_fact as fact
        where fact.run_id = run.run_id
    ) as facts,
    coalesce(partials.written, 0) as written,
    coalesce(partials.unseen, false) or touched.touched_at is not null as pending
from funnelproof.latest_run as run
left join funnelproof.touched_window as touched
    on
        run.tenant_id = touched.tenant_id
        and run.pipeline_id = touched.pipeline_id
        and run.window_name = touched.window_name
        and run.window_start = touched.window_start
inner join dyno_crm.report_run as header on run.run_id = header.id
inner join funnelproof.installation on true
left join lateral (
    select
        sum(partial.flush) as written,
        bool_or(partial.flush > coalesce(cursor.flush, 0)) as unseen
    from funnelproof.partial
    left join funnelproof.revision_cursor as cursor using (epoch, partition)
    where
        partial.epoch = installation.epoch
        and run.window_start = partial.window_start
        and run.window_name = partial.window_name
        and run.tenant_id = partial.tenant_id
        and run.pipeline_id = partial.pipeline_id
) as partials on true
where
    ($1::uuid is null or run.tenant_id = $1)
    and ($2::uuid is null or run.pipeline_id = $2)
    and ($3::text is null or run.window_name = $3)
    and ($4::timestamptz is null or run.window_start >= $4)
    and ($5::timestamptz is null or run.window_end <= $5)
order by run.window_start, run.window_name, run.tenant_id, run.pipeline_id
