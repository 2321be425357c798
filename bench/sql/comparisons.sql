-- The reconciliations so far: how many, of how many runs, and how many that were not equal.
select
    count(*) as comparisons,
    coalesce(sum(runs), 0)::bigint as runs,
    count(*) filter (where outcome <> 'equal') as not_equal
from funnelproof.reconciliation
where finished_at is not null
