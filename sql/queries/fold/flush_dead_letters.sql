-- Records events that could not be applied; a replay that meets an event again changes nothing.
insert into funnelproof.dead_letter (topic_id, partition, source_offset, key, value, reason)
select
    $1,
    letter.partition,
    letter.source_offset,
    letter.key,
    letter.value,
    letter.reason
from
    unnest($2::integer[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[])
        as letter (partition, source_offset, key, value, reason)
on conflict (topic_id, partition, source_offset) do nothing
