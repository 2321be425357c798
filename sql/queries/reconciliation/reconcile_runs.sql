-- The runs to compare: the latest run of every closed window in scope, and the closed windows of pipelines that have
-- counts but no run. `written` grows with every change of the window's partials. `pending`: a revision may be due;
-- a touched window waits for no revision while the log is in doubt.
-- $1 tenant, $2 pipeline, $3 window name; $4, $6 windows that start from $4 on and before $6; $5 windows that end by $5
with
written as (
    select
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_name,
        partial.window_start,
        partial.window_end,
        sum(partial.flush)::bigint as written,
        sum(partial.deals) as deals,
        bool_or(partial.flush > coalesce(cursor.flush, 0)) as unseen
    from funnelproof.installation
    inner join funnelproof.partial using (epoch)
    left join funnelproof.revision_cursor as cursor using (epoch, partition)
    where
        ($1::uuid is null or partial.tenant_id = $1)
        and ($2::uuid is null or partial.pipeline_id = $2)
        and ($3::text is null or partial.window_name = $3)
        and ($4::timestamptz is null or partial.window_start >= $4)
        and ($5::timestamptz is null or partial.window_start < $5)
        and ($6::timestamptz is null or partial.window_start < $6)
    group by
        partial.tenant_id, partial.pipeline_id, partial.window_name, partial.window_start, partial.window_end
),

published as (
    select
        run.run_id,
        run.tenant_id,
        run.pipeline_id,
        run.window_name,
        run.window_start,
        run.window_end,
        run.revision,
        header.parameters -> 'stage_pairs' as stage_pairs
    from funnelproof.latest_run as run
    inner join dyno_crm.report_run as header on run.run_id = header.id
    where
        ($1::uuid is null or run.tenant_id = $1)
        and ($2::uuid is null or run.pipeline_id = $2)
        and ($3::text is null or run.window_name = $3)
        and ($4::timestamptz is null or run.window_start >= $4)
        and ($5::timestamptz is null or run.window_end <= $5)
        and ($6::timestamptz is null or run.window_start < $6)
),

missing as (
    select
        null::uuid as run_id,
        written.tenant_id,
        written.pipeline_id,
        written.window_name,
        written.window_start,
        time_window.window_end,
        0 as revision,
        (
            select
                jsonb_agg(
                    jsonb_build_object('from_stage_id', pair.from_stage_id, 'to_stage_id', pair.to_stage_id)
                )
            from funnelproof.stage_pair as pair
            where
                pair.tenant_id = written.tenant_id
                and pair.pipeline_id = written.pipeline_id
                and pair.to_stage_id is not null
        ) as stage_pairs
    from written
    inner join funnelproof.time_window using (window_name, window_start, window_end)
    where
        time_window.closed_at is not null
        and ($5::timestamptz is null or time_window.window_end <= $5)
        and written.deals > 0
        -- The planner always hashes `not in`; a join could compare all rows with all rows.
        and (written.tenant_id, written.pipeline_id, written.window_name, written.window_start) not in (
            select
                published.tenant_id,
                published.pipeline_id,
                published.window_name,
                published.window_start
            from published
        )
)

select
    run.*,
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
    coalesce(written.written, 0) as written,
    coalesce(written.unseen, false)
    or (touched.touched_at is not null and not exists (select from funnelproof.log_in_doubt)) as pending
from (
    select * from published
    union all
    select * from missing
) as run
left join written using (tenant_id, pipeline_id, window_name, window_start)
left join funnelproof.touched_window as touched
    using (tenant_id, pipeline_id, window_name, window_start)
where run.stage_pairs is not null
order by run.window_start, run.window_name, run.tenant_id, run.pipeline_id
