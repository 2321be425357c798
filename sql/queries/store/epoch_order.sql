-- Lets workers begin one after the other: the lock lasts until the transaction's end.
select pg_advisory_xact_lock(hashtextextended('funnelproof.epoch.begin', 0))
