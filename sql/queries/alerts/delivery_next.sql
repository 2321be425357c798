-- The next message for a receiver, a row for each of its transitions: the oldest transition that is due, with the others
-- of its message. A transition is not due before its alert's earlier ones. $1 receiver, $2 now
-- `blocked` is materialized: without statistics the planner would look for it anew for each transition.
with
blocked as materialized (
    select
        earlier.alert_id,
        min(earlier.event_number) as event_number
    from funnelproof.alert_delivery as earlier
    where
        earlier.receiver = $1
        and earlier.delivered_at is null
        and earlier.given_up_at is null
        and earlier.next_attempt_at > $2
    group by earlier.alert_id
),

first as materialized (
    select coalesce(delivery.message_id, delivery.event_id) as message_id
    from funnelproof.alert_delivery as delivery
    where
        delivery.receiver = $1
        and delivery.delivered_at is null
        and delivery.given_up_at is null
        and delivery.next_attempt_at <= $2
        and not exists (
            select from blocked
            where
                blocked.alert_id = delivery.alert_id
                and blocked.event_number < delivery.event_number
        )
    order by delivery.event_number
    limit 1
)

select
    first.message_id,
    delivery.attempts,
    delivery.enqueued_at,
    event.*,
    event.source_lsn::text as lsn
from first
inner join funnelproof.alert_delivery as delivery
    on
        delivery.receiver = $1
        and delivery.delivered_at is null
        and delivery.given_up_at is null
        and first.message_id = coalesce(delivery.message_id, delivery.event_id)
inner join funnelproof.alert_event as event using (event_id)
order by delivery.event_number
