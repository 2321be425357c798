-- One worker at a time notes changed timezones.
select pg_advisory_xact_lock(hashtextextended('funnelproof.timezone', 0))
