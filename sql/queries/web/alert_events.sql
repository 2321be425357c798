-- A page of transitions of alerts, the newest first. $1, $2: tenant and pipeline, null for every one. $3: the last one of the
-- page before, or null.
select event.*
from funnelproof.web_alert_event as event
where
    ($1::uuid is null or event.tenant_id = $1)
    and ($2::uuid is null or event.pipeline_id = $2)
    and ($3::bigint is null or event.event_number < $3)
order by event.event_number desc
limit $4
