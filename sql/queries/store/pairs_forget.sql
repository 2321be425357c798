-- Forgets the configured pairs, to make place for others.
delete from funnelproof.configured_pair
