-- The counts with which runs were published, as the profiles beside the facts have them; no row where no deal entered.
-- $1 runs
select distinct on (version.run_id, version.from_stage_id, version.to_stage_id)
    version.run_id,
    version.from_stage_id,
    version.to_stage_id,
    version.entered_count,
    version.converted_count
from funnelproof.run_profile as version
where version.run_id = any($1::uuid[])
order by version.run_id asc, version.from_stage_id asc, version.to_stage_id asc, version.proof_id desc
