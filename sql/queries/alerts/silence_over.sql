-- Tells receivers of alerts that outlasted a silence. $1 rules, $2 a receiver of each
with
over as (
    update funnelproof.alert_silence
    set told_at = clock_timestamp()
    where told_at is null and ends_at <= clock_timestamp()
    returning rule, tenant_id, pipeline_id
),

standing as (
    select distinct event.event_id, event.event_number, event.alert_id, event.rule -- noqa: LT09
    from over
    inner join funnelproof.alert_event as event
        on
            coalesce(over.rule = event.rule, true)
            and coalesce(over.tenant_id = event.tenant_id, true)
            and coalesce(over.pipeline_id = event.pipeline_id, true)
    where
        event.stands
        and event.transition = 'fired'
        and not exists (
            select
            from funnelproof.alert_silence as other
            where
                coalesce(other.rule = event.rule, true)
                and coalesce(other.tenant_id = event.tenant_id, true)
                and coalesce(other.pipeline_id = event.pipeline_id, true)
                and other.starts_at <= clock_timestamp()
                and other.ends_at > clock_timestamp()
        )
)

insert into funnelproof.alert_delivery (event_id, receiver, event_number, alert_id, enqueued_at)
select
    standing.event_id,
    told.receiver,
    standing.event_number,
    standing.alert_id,
    clock_timestamp()
from standing
inner join unnest($1::text[], $2::text[]) as told (rule, receiver) using (rule)
on conflict (event_id, receiver) do nothing
returning event_id
