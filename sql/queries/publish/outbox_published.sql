-- Removes events that Kafka has, and events of deleted runs.
delete from funnelproof.outbox where event_id = any($1::bigint[])
