-- The present profiles of an open window: the sums over all partitions. $1 epoch, $2 kind, $3 start, $4 end
select
    partial.tenant_id::text as tenant_id,
    partial.pipeline_id::text as pipeline_id,
    partial.from_stage_id::text as from_stage_id,
    partial.to_stage_id::text as to_stage_id,
    sum(partial.profile)::text as profile
from funnelproof.partial
where
    partial.epoch = $1
    and partial.window_name = $2
    and partial.window_start = $3
    and partial.window_end = $4
    and partial.deals > 0
group by partial.tenant_id, partial.pipeline_id, partial.from_stage_id, partial.to_stage_id
