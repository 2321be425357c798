-- The oldest unresolved dead letters of the present log, or those at given places. $1 the most letters, null: all.
-- $2 partitions and $3 offsets of the wanted letters, null: every letter. $4 with the events
select
    letter.topic_id,
    letter.partition,
    letter.source_offset,
    letter.key,
    case when $4 then letter.value end as value,
    letter.reason,
    letter.recorded_at,
    extract(epoch from clock_timestamp() - letter.recorded_at)::float8 as age,
    count(*) over () as letters
from funnelproof.dead_letter as letter
inner join funnelproof.epoch using (topic_id)
inner join funnelproof.installation using (epoch)
where
    letter.resolved_at is null
    and (
        $2::integer[] is null
        or (letter.partition, letter.source_offset) in (
            select
                wanted.partition,
                wanted.source_offset
            from unnest($2::integer[], $3::bigint[]) as wanted (partition, source_offset)
        )
    )
order by letter.recorded_at, letter.partition, letter.source_offset
limit $1
