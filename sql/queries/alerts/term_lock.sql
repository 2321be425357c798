-- Takes the lock of the active evaluator for the session; false while another evaluator is active.
select pg_try_advisory_lock(hashtextextended('funnelproof.alerts', 0))
