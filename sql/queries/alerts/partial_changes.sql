-- The present profiles of the steps of an open window that a partition has flushed since: the sums over all partitions.
-- $1 epoch, $2 kind, $3 start, $4 end, $5 partitions, $6 the last flush that is known of each, $7 no partition has
-- flushed so many partials since. Postgres cannot estimate how few these partials are, and would read the whole table.
-- The limit and the lateral subqueries keep to the indexes.
with
touched as materialized (
    select distinct
        flushed.tenant_id,
        flushed.pipeline_id,
        flushed.from_stage_id,
        flushed.to_stage_id
    from unnest($5::integer[], $6::bigint[]) as known (partition, flush)
    cross join
        lateral ( -- noqa: ST05
            select partial.*
            from funnelproof.partial
            where
                partial.epoch = $1
                and known.partition = partial.partition
                and known.flush < partial.flush
                and partial.flush >= 0 -- for ix_partial_flush
            order by partial.flush
            limit $7
        ) as flushed
    where
        flushed.window_name = $2
        and flushed.window_start = $3
        and flushed.window_end = $4
)

select
    uuid_send(touched.tenant_id)
    || uuid_send(touched.pipeline_id)
    || uuid_send(touched.from_stage_id)
    || uuid_send(touched.to_stage_id) as step,
    present.profile
from touched
cross join lateral (
    select numeric_send(sum(partial.profile)) as profile
    from funnelproof.partial
    where
        partial.epoch = $1
        and partial.window_name = $2
        and partial.window_start = $3
        and partial.window_end = $4
        and touched.tenant_id = partial.tenant_id
        and touched.pipeline_id = partial.pipeline_id
        and touched.from_stage_id = partial.from_stage_id
        and touched.to_stage_id = partial.to_stage_id
) as present
