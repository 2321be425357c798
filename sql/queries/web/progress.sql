-- How far each partition is folded, and the seconds since its last flush.
select
    progress.*,
    extract(epoch from clock_timestamp() - progress.flushed_at)::double precision as age
from funnelproof.web_progress as progress
order by progress.partition
