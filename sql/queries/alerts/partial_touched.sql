-- The number of partials of an epoch that were flushed since, at most $4. $1 epoch, $2 partitions, $3 the last flush that
-- is known of each
select count(*)
from (
    select
    from unnest($2::integer[], $3::bigint[]) as known (partition, flush)
    inner join funnelproof.partial
        on
            partial.epoch = $1
            and known.partition = partial.partition
            and known.flush < partial.flush
            and partial.flush >= 0 -- for ix_partial_flush
    limit $4 -- noqa: AM09
) as touched
