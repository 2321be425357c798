-- Notes that a receiver has taken transitions. $1 receiver, $2 transitions, $3 now
update funnelproof.alert_delivery
set delivered_at = $3, attempts = attempts + 1, last_error = null
where receiver = $1 and event_id = any($2::uuid[])
