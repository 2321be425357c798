-- A finding.
select finding.*
from funnelproof.web_finding as finding
where finding.finding_id = $1
