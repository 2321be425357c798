-- How many records are folded and in the counts.
select coalesce(sum(progress.source_offset), 0)::bigint
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
