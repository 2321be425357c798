-- What waits for each receiver, and what was given up. $1 the receivers of the rule file
select
    coalesce(backlog.receiver, named.receiver) as receiver,
    coalesce(backlog.waiting, 0) as waiting,
    backlog.oldest_at,
    backlog.age,
    backlog.last_error,
    coalesce(backlog.given_up, 0) as given_up
from funnelproof.receiver_backlog as backlog
full join unnest($1::text[]) as named (receiver) on backlog.receiver = named.receiver
order by receiver
