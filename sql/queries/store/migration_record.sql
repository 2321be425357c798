-- Notes one migration as applied, in the transaction that applies it.
insert into funnelproof.schema_migration (version, name, checksum)
values ($1, $2, $3)
