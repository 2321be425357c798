-- The ledger of comparisons in a few numbers; ages in seconds.
with
ledger as (
    select
        count(*) as compared,
        count(*) filter (where known.outcome = 'undecided') as undecided,
        count(known.different_since) as different,
        extract(epoch from clock_timestamp() - min(known.compared_at))::double precision as oldest_age,
        extract(epoch from clock_timestamp() - max(known.compared_at))::double precision as newest_age,
        extract(epoch from clock_timestamp() - min(known.different_since))::double precision as different_age
    from funnelproof.web_comparison as known
)

select
    closed.windows,
    greatest(0, closed.windows - ledger.compared) as never_compared,
    ledger.undecided,
    ledger.different,
    ledger.oldest_age,
    ledger.newest_age,
    ledger.different_age
from funnelproof.web_closed as closed
cross join ledger
