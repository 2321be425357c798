-- Windows that differ from the canonical SQL, those that are known longest first. $1 the most windows
select
    compared.window_name,
    compared.window_start,
    compared.window_end,
    compared.compared_at,
    extract(epoch from clock_timestamp() - compared.different_since)::double precision as age
from funnelproof.web_comparison as compared
where compared.different_since is not null
order by compared.different_since, compared.window_start
limit $1
