-- Lets a single publisher work at a time, until the transaction's end; false while another worker publishes.
select pg_try_advisory_xact_lock(hashtextextended('funnelproof.outbox', 0))
