-- Whether a worker has taken partitions over, after which it reads its first record.
select count(*) > 0 from funnelproof.partition_progress
