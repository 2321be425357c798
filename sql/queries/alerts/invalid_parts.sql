-- Parts of rules that receivers were told to be invalid, and the last number of each alert in $1.
select
    event.alert_id,
    max(event.number) as number,
    bool_or(event.stands and event.transition = 'invalid') as is_told,
    (array_agg(event.rule))[1] as rule,
    (array_agg(event.kind))[1] as kind,
    (array_agg(event.severity))[1] as severity
from funnelproof.alert_event as event
where
    event.alert_id = any($1::uuid[])
    or event.alert_id in (
        select told.alert_id
        from funnelproof.alert_event as told
        where told.stands and told.transition = 'invalid'
    )
group by event.alert_id
