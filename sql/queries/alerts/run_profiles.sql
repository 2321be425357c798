-- The present profiles of closed windows of a kind, window by window. A pair of a run that no deal entered has no row.
-- $1 kind, $2 first start, $3 last start, $4 tiling, $5 pipelines (null: all)
select
    run.window_start,
    uuid_send(run.tenant_id)
    || uuid_send(run.pipeline_id)
    || uuid_send(profile.from_stage_id)
    || uuid_send(profile.to_stage_id) as pair,
    numeric_send(profile.entered) as entered,
    numeric_send(profile.converted) as converted
from funnelproof.latest_run as run
left join funnelproof.tenant_tiling as own on run.tenant_id = own.tenant_id
cross join
    lateral (
        select distinct on (version.from_stage_id, version.to_stage_id) version.*
        from funnelproof.run_profile as version
        where version.run_id = run.run_id
        order by version.from_stage_id asc, version.to_stage_id asc, version.proof_id desc
    ) as profile
where
    run.window_name = $1
    and run.window_start between $2 and $3
    and coalesce(own.tiling, '') = $4
    and ($5::uuid[] is null or run.pipeline_id = any($5))
order by run.window_start
