-- Lets a single sender serve a receiver at a time, until the transaction's end; false while another sender does.
-- $1 receiver
select pg_try_advisory_xact_lock(hashtextextended('funnelproof.alert_delivery.' || $1::text, 0))
