-- True if the database keeps the configured pairs of stages with the digest $1; null: no configured pairs.
select count(*) = 1
from funnelproof.installation
where installation.configured_pairs is not distinct from $1
