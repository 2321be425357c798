-- Lets readers note markers one after the other, until the transaction ends: two readers that note the same markers in
-- another order would wait for each other for ever.
select pg_advisory_xact_lock(hashtextextended('funnelproof.marker.seen', 0))
