-- Gives back what `epoch_take` took.
select pg_advisory_unlock(hashtextextended('funnelproof.epoch', 0))
