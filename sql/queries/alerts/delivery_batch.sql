-- The oldest transitions that are due for a receiver that takes each by itself. $1 receiver, $2 now, $3 number
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
        select from funnelproof.alert_delivery as earlier
        where
            earlier.receiver = $1
            and earlier.alert_id = delivery.alert_id
            and earlier.event_number < delivery.event_number
            and earlier.delivered_at is null
            and earlier.given_up_at is null
            and earlier.next_attempt_at > $2
    )
order by delivery.event_number
limit $3
