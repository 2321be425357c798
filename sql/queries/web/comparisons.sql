-- The ledger of comparisons in a few numbers; ages in seconds.
select
    count(*) as windows,
    count(*) filter (where compared.compared_at is null) as never_compared,
    count(*) filter (where compared.outcome = 'undecided') as undecided,
    count(compared.different_since) as different,
    extract(epoch from clock_timestamp() - min(compared.compared_at))::double precision as oldest_age,
    extract(epoch from clock_timestamp() - max(compared.compared_at))::double precision as newest_age,
    extract(epoch from clock_timestamp() - min(compared.different_since))::double precision as different_age
from funnelproof.web_comparison as compared
