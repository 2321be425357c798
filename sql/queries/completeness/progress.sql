-- The position of each partition of the current epoch; no row for a partition before its first flush.
select
    progress.partition,
    progress.source_offset
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
where progress.source_offset is not null
