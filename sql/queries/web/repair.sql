-- A repair.
select repair.*
from funnelproof.web_repair as repair
where repair.repair_id = $1
