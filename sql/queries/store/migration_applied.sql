-- The migrations that this database has had, oldest first.
select
    version,
    name,
    checksum
from funnelproof.schema_migration
order by version
