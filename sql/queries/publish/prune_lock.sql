-- Lets a single pruner work at a time, until the transaction's end; false while another pruner works.
select pg_try_advisory_xact_lock(hashtextextended('funnelproof.pruning', 0))
