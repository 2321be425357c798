-- Takes the lock of a repair until the session ends; false while another repair has the lock.
select pg_try_advisory_lock(hashtextextended('funnelproof.repair', 0))
