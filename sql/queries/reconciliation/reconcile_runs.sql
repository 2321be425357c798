-- The latest runs of the given windows, with everything that a difference is told by. A window without a run gets the
-- pairs that its run would have. `written` grows with every change of the window's partials. `pending`: a revision may
-- be due; a touched window waits for no revision while the log is in doubt.
-- $1 to $5: tenants, pipelines, names, starts and ends of the windows.
with
asked as (
    select *
    from
        unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
            as asked (tenant_id, pipeline_id, window_name, window_start, window_end)
)

select
    latest.run_id,
    asked.tenant_id,
    asked.pipeline_id,
    asked.window_name,
    asked.window_start,
    coalesce(latest.window_end, asked.window_end) as window_end,
    coalesce(latest.revision, 0) as revision,
    coalesce(
        header.parameters -> 'stage_pairs',
        (
            select
                jsonb_agg(
                    jsonb_build_object('from_stage_id', pair.from_stage_id, 'to_stage_id', pair.to_stage_id)
                )
            from funnelproof.stage_pair as pair
            where
                latest.run_id is null
                and pair.tenant_id = asked.tenant_id
                and pair.pipeline_id = asked.pipeline_id
        ),
        '[]'
    ) as stage_pairs,
    (
        select coalesce(jsonb_object_agg(stage.stage_id, stage.name), '{}')
        from funnelproof.pipeline_stage as stage
        where stage.tenant_id = asked.tenant_id and stage.pipeline_id = asked.pipeline_id
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
        where fact.run_id = latest.run_id
    ) as facts,
    coalesce(counts.written, 0) as written,
    coalesce(counts.counted, false) as counted,
    coalesce(counts.unseen, false)
    or (
        exists (
            select from funnelproof.touched_window as touched
            where
                touched.tenant_id = asked.tenant_id
                and touched.pipeline_id = asked.pipeline_id
                and touched.window_name = asked.window_name
                and touched.window_start = asked.window_start
        )
        and not exists (select from funnelproof.log_in_doubt)
    ) as pending
from asked
left join lateral (
    select run.*
    from funnelproof.window_run as run
    where
        run.tenant_id = asked.tenant_id
        and run.pipeline_id = asked.pipeline_id
        and run.window_name = asked.window_name
        and run.window_start = asked.window_start
    order by run.revision desc
    limit 1
) as latest on true
left join dyno_crm.report_run as header on latest.run_id = header.id
cross join
    lateral (
        select
            sum(partial.flush)::bigint as written,
            bool_or(partial.deals > 0) as counted,
            bool_or(partial.flush > coalesce(cursor.flush, 0)) as unseen
        from funnelproof.installation
        inner join funnelproof.partial using (epoch)
        left join funnelproof.revision_cursor as cursor using (epoch, partition)
        where
            partial.tenant_id = asked.tenant_id
            and partial.pipeline_id = asked.pipeline_id
            and partial.window_name = asked.window_name
            and partial.window_start = asked.window_start
    ) as counts
where
    not exists (
        select from funnelproof.sealed
        where sealed.window_name = asked.window_name and asked.window_end <= sealed.sealed_until
    )
order by asked.window_name, asked.window_start, asked.tenant_id, asked.pipeline_id
