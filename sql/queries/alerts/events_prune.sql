-- Deletes old transitions with their deliveries, a batch: those that were told, or given up, and that a later one has
-- followed. The last transition of an alert's track stays: the number of the next is one more. $1 before when, $2 most
delete from funnelproof.alert_event as event
using (
    select old.event_id
    from funnelproof.alert_event as old
    where
        old.decided_at < $1
        and not old.stands
        and not exists (
            select from funnelproof.alert_delivery as delivery
            where
                delivery.event_id = old.event_id
                and delivery.delivered_at is null
                and delivery.given_up_at is null
        )
    order by old.event_number
    limit $2
) as gone
where event.event_id = gone.event_id
