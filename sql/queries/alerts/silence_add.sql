-- Adds a silence. $1 rule, $2 tenant, $3 pipeline, $4 seconds, $5 reason, $6 author
insert into funnelproof.alert_silence (rule, tenant_id, pipeline_id, starts_at, ends_at, reason, author)
values ($1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4), $5, $6)
returning silence_id, starts_at, ends_at
