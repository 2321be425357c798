-- Takes the lock of the reconciliation job for the session, if no other session holds the lock.
select pg_try_advisory_lock(hashtextextended('funnelproof.reconcile', 0))
