-- Resolves dead letters of rows with a later event: a row's event carries the row's whole state.
update funnelproof.dead_letter as letter
set resolved_at = clock_timestamp()
from unnest($2::integer[], $3::bigint[], $4::bytea[]) as superseded (partition, source_offset, key)
where
    letter.topic_id = $1
    and letter.partition = superseded.partition
    and letter.key = superseded.key
    and letter.source_offset < superseded.source_offset
    and letter.resolved_at is null
