-- Whether these are the configured pairs; null: there are none.
select count(*) = 1
from funnelproof.installation
where installation.configured_pairs is not distinct from $1
