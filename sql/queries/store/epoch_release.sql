-- Gives back what `epoch_acquire` acquired.
select pg_advisory_unlock(hashtextextended('funnelproof.epoch', 0))
