-- What waits for each receiver, and what was given up. $1 the receivers of the rule file
with
waiting as (
    select
        delivery.receiver,
        count(*) as waiting,
        min(delivery.enqueued_at) as oldest_at,
        (
            array_agg(delivery.last_error order by delivery.event_number)
            filter (where delivery.last_error is not null)
        )[1] as last_error
    from funnelproof.alert_delivery as delivery
    where delivery.delivered_at is null and delivery.given_up_at is null
    group by delivery.receiver
),

given_up as (
    select
        delivery.receiver,
        count(*) as given_up
    from funnelproof.alert_delivery as delivery
    where delivery.given_up_at is not null
    group by delivery.receiver
)

select
    receiver,
    coalesce(waiting.waiting, 0) as waiting,
    waiting.oldest_at,
    extract(epoch from clock_timestamp() - waiting.oldest_at)::double precision as age,
    waiting.last_error,
    coalesce(given_up.given_up, 0) as given_up
from waiting
full join given_up using (receiver)
full join unnest($1::text[]) as named (receiver) using (receiver)
order by receiver
