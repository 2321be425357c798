-- What may be wrong with the numbers, and the alerts about that so far. $1 the alerts
select
    (
        select string_agg(doubt.reason, '; ' order by doubt.doubt_id)
        from funnelproof.doubt
        where doubt.resolved_at is null
    ) as doubts,
    (
        select count(*)
        from funnelproof.dead_letter as letter
        inner join funnelproof.epoch on letter.topic_id = epoch.topic_id
        inner join funnelproof.installation on epoch.epoch = installation.epoch
        where letter.resolved_at is null
    ) as dead_letters,
    (
        select last_one.differences
        from funnelproof.reconciliation as last_one
        where last_one.finished_at is not null and last_one.outcome is not null
        order by last_one.reconciliation_id desc
        limit 1
    ) as differences,
    array(
        select
            jsonb_build_object(
                'alert_id', event.alert_id,
                'number', max(event.number),
                'fires', bool_or(event.stands and event.transition = 'fired')
            )::text
        from funnelproof.alert_event as event
        where event.alert_id = any($1::uuid[])
        group by event.alert_id
    ) as alerts
