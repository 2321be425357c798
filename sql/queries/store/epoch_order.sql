-- Lets workers begin one after the other; until the transaction's end.
select pg_advisory_xact_lock(hashtextextended('funnelproof.epoch.begin', 0))
