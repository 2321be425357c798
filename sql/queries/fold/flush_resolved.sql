-- A later event of the same row tells its whole state, so an earlier dead letter of that row no longer matters.
update funnelproof.dead_letter as letter
set resolved_at = clock_timestamp()
from unnest($2::integer[], $3::bigint[], $4::bytea[]) as superseded (partition, source_offset, key)
where
    letter.topic_id = $1
    and letter.partition = superseded.partition
    and letter.key = superseded.key
    and letter.source_offset < superseded.source_offset
    and letter.resolved_at is null
