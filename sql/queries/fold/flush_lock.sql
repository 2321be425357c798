-- Orders concurrent flushes of a partition: its owner and a worker presumed dead wait here for each other. Says from
-- which offset on a flush is accepted, how many were, and whose was the last; nothing where another epoch is the
-- current one.
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
