-- Unpublished dead letters of the worker's partitions, oldest first.
select
    letter.topic_id,
    letter.partition,
    letter.source_offset,
    letter.key,
    letter.value,
    jsonb_build_object(
        'topic', (
            select max(epoch.topic) from funnelproof.epoch where epoch.topic_id = letter.topic_id
        ),
        'topic_id', letter.topic_id,
        'partition', letter.partition,
        'offset', letter.source_offset,
        'reason', letter.reason,
        'recorded_at', letter.recorded_at
    ) as letter
from funnelproof.dead_letter as letter
where letter.published_at is null and letter.partition = any($2::integer[])
order by letter.recorded_at
limit $1
