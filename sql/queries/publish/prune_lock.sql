-- One pruner at a time; false: another one is at it.
select pg_try_advisory_xact_lock(hashtextextended('funnelproof.pruning', 0))
