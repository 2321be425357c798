-- Takes the lock of a rebuild until the session ends; false while another rebuild has the lock.
select pg_try_advisory_lock(hashtextextended('funnelproof.rebuild', 0))
