-- Marks dead letters as published.
update funnelproof.dead_letter as letter
set published_at = clock_timestamp()
from unnest($1::text[], $2::integer[], $3::bigint[]) as sent (topic_id, partition, source_offset)
where
    letter.topic_id = sent.topic_id
    and letter.partition = sent.partition
    and letter.source_offset = sent.source_offset
