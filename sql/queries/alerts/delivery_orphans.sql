-- Gives up what waits for receivers that are no longer in the rule file. $1 the receivers, $2 now, $3 from before when
update funnelproof.alert_delivery
set given_up_at = $2, last_error = 'the rule file has no receiver of this name any more'
where
    delivered_at is null
    and given_up_at is null
    and receiver <> all($1::text[])
    and enqueued_at < $3
