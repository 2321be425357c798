-- The memory of a rule's detector, part by part. $1 rule, $2 kind, $3 tiling
select known.content
from funnelproof.alert_memory as known
where known.rule = $1 and known.window_name = $2 and known.tiling = $3
order by known.part
