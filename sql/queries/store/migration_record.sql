-- Records a migration as applied, in the transaction that applies the migration.
insert into funnelproof.schema_migration (version, name, checksum)
values ($1, $2, $3)
