-- The windows of pipelines that have entries in the CRM, or counts in the partials, and no run. The pipelines have pairs
-- of stages today. $1 tenant, $2 pipeline, $3 window name; $4 the starts of the windows; $5 windows that end by $5
with
unreported as (
    select
        entry.tenant_id,
        entry.pipeline_id,
        entry.window_start,
        entry.window_end
    from sifted_count as entry
    inner join funnelproof.stage_pair using (tenant_id, pipeline_id, from_stage_id, to_stage_id)
    left join sifted_run as run using (tenant_id, pipeline_id, window_start)
    where run.run_id is null
    union
    select
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_start,
        partial.window_end
    from funnelproof.installation
    inner join funnelproof.partial using (epoch)
    inner join funnelproof.time_window as closed using (window_name, window_start, window_end)
    left join sifted_run as run using (tenant_id, pipeline_id, window_start)
    where
        run.run_id is null
        -- A deal that converts has entered, too.
        and partial.from_stage_id = partial.to_stage_id
        and partial.deals > 0
        and closed.closed_at is not null
        and ($1::uuid is null or partial.tenant_id = $1)
        and ($2::uuid is null or partial.pipeline_id = $2)
        and partial.window_name = $3
        and partial.window_start = any($4::timestamptz[])
        and ($5::timestamptz is null or partial.window_end <= $5)
)

select
    unreported.tenant_id,
    unreported.pipeline_id,
    unreported.window_start,
    unreported.window_end
from unreported
where
    exists (
        select from funnelproof.stage_pair as pair
        where
            pair.tenant_id = unreported.tenant_id
            and pair.pipeline_id = unreported.pipeline_id
    )
    and not exists (
        select from funnelproof.sealed
        where sealed.window_name = $3 and unreported.window_end <= sealed.sealed_until
    )
