-- Closed windows of a kind whose profiles were published again, pair by pair: as of the publication $3 and as of $4.
-- Null: no deal had entered, or the pair was not reported on. $1 kind, $2 last start, $5 tiling
with
touched as (
    select run.run_id
    from funnelproof.window_run as run
    where run.proof_id > $3 and run.proof_id <= $4
    union
    select profile.run_id
    from funnelproof.run_profile as profile
    where profile.proof_id > $3 and profile.proof_id <= $4
),

changed as (
    select distinct
        run.tenant_id,
        run.pipeline_id,
        run.window_start
    from touched
    inner join funnelproof.window_run as run using (run_id)
    left join funnelproof.tenant_tiling as own on run.tenant_id = own.tenant_id
    where run.window_name = $1 and run.window_start <= $2 and coalesce(own.tiling, '') = $5
),

version as (
    select
        changed.*,
        moment.is_after,
        profile.from_stage_id,
        profile.to_stage_id,
        profile.entered,
        profile.converted
    from changed
    cross join (values (false, $3), (true, $4)) as moment (is_after, proof_id)
    cross join
        lateral (
            select run.run_id
            from funnelproof.window_run as run
            where
                run.tenant_id = changed.tenant_id
                and run.pipeline_id = changed.pipeline_id
                and run.window_name = $1
                and run.window_start = changed.window_start
                and run.proof_id <= moment.proof_id
            order by run.revision desc
            limit 1
        ) as latest
    cross join lateral (
        select distinct on (known.from_stage_id, known.to_stage_id) known.*
        from funnelproof.run_profile as known
        where known.run_id = latest.run_id and known.proof_id <= moment.proof_id
        order by known.from_stage_id asc, known.to_stage_id asc, known.proof_id desc
    ) as profile
)

select
    version.window_start,
    uuid_send(version.tenant_id)
    || uuid_send(version.pipeline_id)
    || uuid_send(version.from_stage_id)
    || uuid_send(version.to_stage_id) as pair,
    numeric_send(coalesce(max(version.entered) filter (where not version.is_after), 0)) as entered_before,
    numeric_send(coalesce(max(version.converted) filter (where not version.is_after), 0)) as converted_before,
    numeric_send(coalesce(max(version.entered) filter (where version.is_after), 0)) as entered_after,
    numeric_send(coalesce(max(version.converted) filter (where version.is_after), 0)) as converted_after
from version
group by
    version.window_start, version.tenant_id, version.pipeline_id, version.from_stage_id, version.to_stage_id
order by version.window_start
