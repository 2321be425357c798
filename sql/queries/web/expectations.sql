-- What the detector of alerts expects of the newest window that it has begun to look at, for each pair of a pipeline; of
-- several rules the first by name. $1 tenant, $2 pipeline, $3 kind, $4 tiling
select distinct on (expected.from_stage_id, expected.to_stage_id)
    expected.from_stage_id,
    expected.to_stage_id,
    expected.rule,
    expected.window_start,
    expected.windows,
    expected.learned,
    expected.spread,
    expected.likely
from funnelproof.web_expectation as expected
where
    expected.tenant_id = $1
    and expected.pipeline_id = $2
    and expected.window_name = $3
    and expected.tiling = $4
order by expected.from_stage_id asc, expected.to_stage_id asc, expected.window_start desc, expected.rule asc
