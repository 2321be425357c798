-- The last finished reconciliation, and its age in seconds.
select
    last_one.finished_at,
    extract(epoch from clock_timestamp() - last_one.finished_at)::double precision as age,
    last_one.outcome,
    last_one.runs,
    last_one.pairs,
    last_one.differences,
    last_one.undecided
from funnelproof.reconciliation as last_one
where last_one.finished_at is not null
order by last_one.reconciliation_id desc
limit 1
