-- The windows of pipelines that have entries in the CRM, or counts in the partials, and no run. The pipelines have pairs
-- of stages today. $1 tenant, $2 pipeline, $3 window name; $4 the starts of the windows; $5 windows that end by $5
with
present_pair as materialized (
    select
        pair.tenant_id,
        pair.pipeline_id,
        pair.from_stage_id,
        pair.to_stage_id
    from funnelproof.stage_pair as pair
),

counted as materialized (
    select
        entry.tenant_id,
        entry.pipeline_id,
        entry.window_start,
        entry.window_end
    from sifted_count as entry
    where
        (entry.tenant_id, entry.pipeline_id, entry.from_stage_id, entry.to_stage_id) in (
            select
                pair.tenant_id,
                pair.pipeline_id,
                pair.from_stage_id,
                pair.to_stage_id
            from present_pair as pair
        )
    union
    select
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_start,
        partial.window_end
    from funnelproof.partial
    where
        partial.epoch = (select installation.epoch from funnelproof.installation)
        and partial.deals > 0
        and ($1::uuid is null or partial.tenant_id = $1)
        and ($2::uuid is null or partial.pipeline_id = $2)
        and partial.window_name = $3
        and partial.window_start = any($4::timestamptz[])
        and ($5::timestamptz is null or partial.window_end <= $5)
        and (partial.tenant_id, partial.pipeline_id) in (
            select
                pair.tenant_id,
                pair.pipeline_id
            from present_pair as pair
        )
)

select
    counted.tenant_id,
    counted.pipeline_id,
    counted.window_start,
    counted.window_end
from counted
left join sifted_run as run using (tenant_id, pipeline_id, window_start)
where
    run.run_id is null
    and exists (
        select from funnelproof.time_window as closed
        where
            closed.window_name = $3
            and closed.window_start = counted.window_start
            and closed.window_end = counted.window_end
            and closed.closed_at is not null
    )
    and not exists (
        select from funnelproof.sealed
        where sealed.window_name = $3 and counted.window_end <= sealed.sealed_until
    )
