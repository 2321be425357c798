-- Whether these are the configured pairs; null: there are none.
select installation.configured_pairs is not distinct from $1 from funnelproof.installation
