-- What waits for each receiver of alerts, and what was given up; ages in seconds.
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
    from funnelproof.web_delivery as delivery
    where delivery.given_up_at is null
    group by delivery.receiver
),

given_up as (
    select
        delivery.receiver,
        count(*) as given_up
    from funnelproof.web_delivery as delivery
    where delivery.given_up_at is not null
    group by delivery.receiver
)

select
    receiver,
    coalesce(waiting.waiting, 0) as waiting,
    coalesce(given_up.given_up, 0) as given_up,
    waiting.last_error,
    extract(epoch from clock_timestamp() - waiting.oldest_at)::double precision as age
from waiting
full join given_up using (receiver)
order by receiver
