-- The transitions that a receiver must be reminded of: of each alert that is on the newest, and the ends of others since
-- $2. A transition that was not delivered yet is no reminder. $1 receiver, $2 since when ends are repeated
select
    event.*,
    event.source_lsn::text as lsn
from funnelproof.alert_event as event
inner join funnelproof.alert_delivery as delivery using (event_id)
where
    event.stands
    and event.transition in ('fired', 'held', 'invalid')
    and delivery.receiver = $1
    and delivery.delivered_at is not null
union all
select
    event.*,
    event.source_lsn::text as lsn
from funnelproof.alert_delivery as delivery
inner join funnelproof.alert_event as event using (event_id)
where
    delivery.receiver = $1
    and delivery.delivered_at >= $2
    and event.stands
    and event.transition in ('resolved', 'retracted', 'released')
