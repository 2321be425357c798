-- The number of partitions without a flush after the request of $1 to compare all counts.
select count(*) from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch)
where progress.flushed_by = $1
