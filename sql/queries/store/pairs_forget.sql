-- Deletes the configured pairs before `pairs_keep` writes new ones.
delete from funnelproof.configured_pair
