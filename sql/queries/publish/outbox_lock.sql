-- One publisher at a time; false: another worker publishes. Let go at the end of the transaction.
select pg_try_advisory_xact_lock(hashtextextended('funnelproof.outbox', 0))
