-- A page of reconciliations, the newest first. $1: the last one of the page before, or null.
select reconciliation.*
from funnelproof.web_reconciliation as reconciliation
where $1::bigint is null or reconciliation.reconciliation_id < $1
order by reconciliation.reconciliation_id desc
limit $2
