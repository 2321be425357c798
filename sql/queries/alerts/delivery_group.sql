-- Makes one message of the transitions that wait for a receiver, for each tenant with more than $3 of them; of at most $4
-- transitions. A message keeps its transitions over all attempts. Transitions whose predecessor waits for another attempt
-- stay alone. $1 receiver, $2 now, $3 a storm's size, $4 a message's size
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

waiting as (
    select
        delivery.event_id,
        event.tenant_id,
        row_number() over per_tenant as place,
        count(*) over (partition by event.tenant_id) as waiting
    from funnelproof.alert_delivery as delivery
    inner join funnelproof.alert_event as event using (event_id)
    where
        delivery.receiver = $1
        and delivery.delivered_at is null
        and delivery.given_up_at is null
        and delivery.message_id is null
        and delivery.attempts = 0
        and not exists (
            select from blocked
            where
                blocked.alert_id = delivery.alert_id
                and blocked.event_number < delivery.event_number
        )
    window per_tenant as (partition by event.tenant_id order by delivery.event_number)
),

message as (
    select
        waiting.tenant_id,
        (waiting.place - 1) / $4::integer as part,
        gen_random_uuid() as message_id
    from waiting
    where waiting.waiting > $3
    group by waiting.tenant_id, (waiting.place - 1) / $4::integer
)

update funnelproof.alert_delivery as delivery
set message_id = message.message_id
from waiting
inner join message
    on
        waiting.tenant_id is not distinct from message.tenant_id
        and (waiting.place - 1) / $4::integer = message.part
where delivery.event_id = waiting.event_id and delivery.receiver = $1
