-- One closer at a time. Taken in READ COMMITTED, so that the statements after it see what the last holder did.
select pg_advisory_xact_lock(hashtextextended('funnelproof.closing', 0))
