-- The oldest transitions that are due for a receiver that takes each by itself. $1 receiver, $2 now, $3 number
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
)

select
    delivery.event_id as message_id,
    delivery.attempts,
    delivery.enqueued_at,
    event.*,
    event.source_lsn::text as lsn
from funnelproof.alert_delivery as delivery
inner join funnelproof.alert_event as event using (event_id)
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
limit $3
