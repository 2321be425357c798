-- Lets a single closer work at a time. The transaction must be READ COMMITTED: its later statements then see the
-- changes of the lock's last holder. Under REPEATABLE READ the snapshot would be older than the wait for the lock.
select pg_advisory_xact_lock(hashtextextended('funnelproof.closing', 0))
