-- Orders concurrent flushes of a partition: its owner and a worker presumed dead wait here for each other. Says from
-- which offset on a flush is accepted, and how many were; nothing where another epoch is the current one.
select
    progress.partition,
    greatest(progress.source_offset, progress.claimed) as fence,
    progress.flushes
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
where progress.epoch = $1 and progress.partition = any($2::integer[])
order by progress.partition
for update of progress
