-- The facts of the last closed window of a kind, where the facts were published after the publication $3 and are proven.
-- $1 kind, $2 tiling
with
last as (
    select known.window_start
    from funnelproof.time_window as known
    where
        known.window_name = $1
        and ($2 = any(known.tilings) or (known.tilings = '{}' and $2 = ''))
        and known.closed_at is not null
    order by known.window_start desc
    limit 1
)

select
    run.tenant_id::text as tenant_id,
    run.pipeline_id::text as pipeline_id,
    run.window_start,
    run.window_end,
    run.run_id,
    run.revision,
    fact.from_stage_id::text as from_stage_id,
    fact.to_stage_id::text as to_stage_id,
    fact.entered_count,
    fact.converted_count
from last
inner join funnelproof.latest_run as run using (window_start)
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
left join funnelproof.tenant_tiling as own on run.tenant_id = own.tenant_id
where
    run.window_name = $1
    and coalesce(own.tiling, '') = $2
    and run.proof_id > $3
    and proof.completeness = 'proven'
