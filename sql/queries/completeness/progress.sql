-- How far each partition of the current epoch is folded; none where nothing was flushed yet.
select
    progress.partition,
    progress.source_offset
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
where progress.source_offset is not null
