-- Advances the progress of locked partitions; an accepted flush gets the next number.
update funnelproof.partition_progress as progress
set
    source_offset = accepted.source_offset,
    flushes = progress.flushes + 1,
    flushed_by = $4,
    worker = $4,
    flushed_at = clock_timestamp()
from unnest($2::integer[], $3::bigint[]) as accepted (partition, source_offset)
where progress.epoch = $1 and progress.partition = accepted.partition
