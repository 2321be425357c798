-- The number of events that wait to be published.
select count(*) from funnelproof.outbox
