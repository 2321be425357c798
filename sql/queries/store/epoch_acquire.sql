-- Acquires all epochs for oneself; false where a worker that lives holds the current one.
select pg_try_advisory_lock(hashtextextended('funnelproof.epoch', 0))
