-- How often each partition has been flushed. $1 epoch
select
    progress.partition,
    progress.flushes
from funnelproof.partition_progress as progress
where progress.epoch = $1
order by progress.partition
