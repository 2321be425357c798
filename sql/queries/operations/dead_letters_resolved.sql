-- The places of settled dead letters among the given ones. A settled letter may be pruned, and is settled then, too.
-- $1 topic id, $2 partitions, $3 offsets
select
    asked.partition,
    asked.source_offset
from unnest($2::integer[], $3::bigint[]) as asked (partition, source_offset)
where
    not exists (
        select from funnelproof.dead_letter as letter
        where
            letter.topic_id = $1
            and letter.partition = asked.partition
            and letter.source_offset = asked.source_offset
            and letter.resolved_at is null
    )
