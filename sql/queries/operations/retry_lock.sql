-- Takes the lock of a retry of dead letters until the session ends; false while another retry has the lock.
select pg_try_advisory_lock(hashtextextended('funnelproof.dead_letters.retry', 0))
