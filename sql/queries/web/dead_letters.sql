-- Dead letters by reason, the oldest first. `total`: the letters of all reasons. $1 the most reasons
select
    letter.reason,
    count(*) as letters,
    (array_agg(letter.partition || '/' || letter.source_offset order by letter.recorded_at))[1] as oldest,
    extract(epoch from clock_timestamp() - min(letter.recorded_at))::double precision as age,
    sum(count(*)) over ()::bigint as total
from funnelproof.web_dead_letter as letter
group by letter.reason
order by age desc, letter.reason asc
limit $1
