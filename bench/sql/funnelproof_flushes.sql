-- How many flushes the partition with the fewest has had.
select coalesce(min(flushes), 0)::bigint from funnelproof.partition_progress
