-- Of transitions, those that a silence covers now, and the receivers that were told of the alert before.
-- $1 events, $2 alerts, $3 rules, $4 tenants, $5 pipelines
select
    told.event_id,
    array(
        select delivery.receiver
        from funnelproof.alert_event as fired
        inner join funnelproof.alert_delivery as delivery using (event_id)
        where fired.alert_id = told.alert_id and fired.stands and fired.transition = 'fired'
    ) as heard
from
    unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[])
        as told (
            event_id, alert_id, rule, tenant_id, pipeline_id
        )
where exists (
    select
    from funnelproof.alert_silence as silence
    where
        coalesce(silence.rule = told.rule, true)
        and coalesce(silence.tenant_id = told.tenant_id, true)
        and coalesce(silence.pipeline_id = told.pipeline_id, true)
        and silence.starts_at <= clock_timestamp()
        and silence.ends_at > clock_timestamp()
)
