-- The alerts that are on, the newest first. $1, $2: tenant and pipeline, null for every one.
select alert.*
from funnelproof.web_alert as alert
where
    ($1::uuid is null or alert.tenant_id = $1)
    and ($2::uuid is null or alert.pipeline_id = $2)
order by alert.fired_at desc nulls last, alert.alert_id asc
limit $3
