-- How many rules judge the windows of a kind and a tiling, the seconds since the last look, and why verdicts are held back.
select
    watch.rules,
    watch.held,
    extract(epoch from clock_timestamp() - watch.looked_at)::double precision as age
from funnelproof.web_watch as watch
where watch.window_name = $1 and watch.tiling = $2
