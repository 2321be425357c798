-- Notes a failed attempt: when the next one is due, or that there is none.
-- $1 receiver, $2 transitions, $3 now, $4 why, $5 the next attempt, $6 there is none
update funnelproof.alert_delivery
set
    attempts = attempts + 1,
    last_error = $4,
    next_attempt_at = $5,
    given_up_at = case when $6::boolean then $3::timestamptz end
where receiver = $1 and event_id = any($2::uuid[])
