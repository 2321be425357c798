-- Holds the current epoch, together with other workers of it, for as long as the session lives.
select pg_advisory_lock_shared(hashtextextended('funnelproof.epoch', 0))
