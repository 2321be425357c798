-- The present profiles of the steps of an open window that a partition has flushed since: the sums over all partitions.
-- $1 epoch, $2 kind, $3 start, $4 end, $5 partitions, $6 the last flush that is known of each
with
touched as materialized (
    select distinct
        partial.tenant_id,
        partial.pipeline_id,
        partial.from_stage_id,
        partial.to_stage_id
    from unnest($5::integer[], $6::bigint[]) as known (partition, flush)
    inner join funnelproof.partial
        on partial.epoch = $1 and known.partition = partial.partition and known.flush < partial.flush
    where
        partial.window_name = $2
        and partial.window_start = $3
        and partial.window_end = $4
)

select
    uuid_send(partial.tenant_id)
    || uuid_send(partial.pipeline_id)
    || uuid_send(partial.from_stage_id)
    || uuid_send(partial.to_stage_id) as step,
    numeric_send(sum(partial.profile)) as profile
from touched
inner join funnelproof.partial using (tenant_id, pipeline_id, from_stage_id, to_stage_id)
where
    partial.epoch = $1
    and partial.window_name = $2
    and partial.window_start = $3
    and partial.window_end = $4
group by partial.tenant_id, partial.pipeline_id, partial.from_stage_id, partial.to_stage_id
