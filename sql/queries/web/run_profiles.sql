-- The present profiles of the facts of a run. A pair that no deal entered has no row.
select
    profile.from_stage_id,
    profile.to_stage_id,
    numeric_send(profile.entered) as entered,
    numeric_send(profile.converted) as converted
from funnelproof.web_profile as profile
where profile.run_id = $1
