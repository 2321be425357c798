-- Orders concurrent flushes of a partition: its owner and a worker presumed dead wait here for each other.
select progress.partition
from funnelproof.partition_progress as progress
where progress.epoch = $1 and progress.partition = any($2::integer[])
order by progress.partition
for update
