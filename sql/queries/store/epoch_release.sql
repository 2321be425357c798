-- Releases the lock of `epoch_take`.
select pg_advisory_unlock(hashtextextended('funnelproof.epoch', 0))
