-- The profiles of the steps of a pipeline in an open window, the sums over all partitions.
select
    partial.from_stage_id,
    partial.to_stage_id,
    numeric_send(sum(partial.profile)) as profile
from funnelproof.web_partial as partial
where
    partial.tenant_id = $1
    and partial.pipeline_id = $2
    and partial.window_name = $3
    and partial.window_start = $4
    and partial.window_end = $5
    and partial.deals > 0
    and partial.profile is not null
group by partial.from_stage_id, partial.to_stage_id
