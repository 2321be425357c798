-- Moves partitions' progress forward, and says which moves were accepted and as which flush.
update funnelproof.partition_progress as progress
set
    source_offset = offered.source_offset,
    flushes = progress.flushes + 1,
    worker = $4,
    flushed_at = clock_timestamp()
from unnest($2::integer[], $3::bigint[]) as offered (partition, source_offset),
    funnelproof.installation
where
    progress.epoch = $1
    and installation.epoch = $1
    and progress.partition = offered.partition
    and offered.source_offset >= greatest(progress.source_offset, progress.claimed)
returning progress.partition, progress.flushes
