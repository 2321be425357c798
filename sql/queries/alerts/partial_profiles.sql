-- The present profiles of an open window, of the steps that reports need: the sums over all partitions.
-- $1 epoch, $2 kind, $3 start, $4 end
with
step as (
    select
        pair.tenant_id,
        pair.pipeline_id,
        pair.from_stage_id,
        pair.to_stage_id
    from funnelproof.stage_pair as pair
    union
    select
        pair.tenant_id,
        pair.pipeline_id,
        pair.from_stage_id,
        pair.from_stage_id as to_stage_id
    from funnelproof.stage_pair as pair
)

select
    uuid_send(partial.tenant_id)
    || uuid_send(partial.pipeline_id)
    || uuid_send(partial.from_stage_id)
    || uuid_send(partial.to_stage_id) as step,
    numeric_send(sum(partial.profile)) as profile
from funnelproof.partial
inner join step using (tenant_id, pipeline_id, from_stage_id, to_stage_id)
where
    partial.epoch = $1
    and partial.window_name = $2
    and partial.window_start = $3
    and partial.window_end = $4
    and partial.deals > 0
group by partial.tenant_id, partial.pipeline_id, partial.from_stage_id, partial.to_stage_id
