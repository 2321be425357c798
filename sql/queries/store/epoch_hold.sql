-- Holds the current epoch until the session ends; the other workers of the epoch share the lock.
select pg_advisory_lock_shared(hashtextextended('funnelproof.epoch', 0))
