-- Locks the progress of partitions: concurrent flushes of a partition, by the owner and by a worker presumed dead,
-- queue up here. Returns the least offset of an acceptable flush, the number of flushes and the last flusher; no row
-- if a newer epoch is current.
select
    progress.partition,
    greatest(progress.source_offset, progress.claimed) as fence,
    progress.flushes,
    progress.flushed_by
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
where progress.epoch = $1 and progress.partition = any($2::integer[])
order by progress.partition
for update of progress
