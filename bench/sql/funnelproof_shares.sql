-- How many records each worker has folded.
select
    worker,
    sum(source_offset)::bigint as records
from funnelproof.partition_progress
group by worker
order by worker
