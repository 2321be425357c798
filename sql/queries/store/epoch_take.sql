-- Takes the epochs' lock alone, without waiting; false while a living worker holds the current epoch.
select pg_try_advisory_lock(hashtextextended('funnelproof.epoch', 0))
