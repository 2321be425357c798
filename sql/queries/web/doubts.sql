-- The doubts that are not settled, the oldest first.
select
    doubt.kind,
    doubt.reason,
    doubt.noted_at,
    extract(epoch from clock_timestamp() - doubt.noted_at)::double precision as age
from funnelproof.web_doubt as doubt
order by doubt.noted_at
