-- The migrations applied to this database, oldest first.
select
    version,
    name,
    checksum
from funnelproof.schema_migration
order by version
