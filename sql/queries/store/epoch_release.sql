-- Releases the lock of `epoch_acquire`.
select pg_advisory_unlock(hashtextextended('funnelproof.epoch', 0))
