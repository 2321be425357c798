-- Removes events that Kafka has, or whose runs are gone.
delete from funnelproof.outbox where event_id = any($1::bigint[])
