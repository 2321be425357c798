-- How many events wait to be published.
select count(*) from funnelproof.outbox
