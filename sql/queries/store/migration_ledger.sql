-- Makes the ledger of applied migrations, under the lock that `migrate` holds.
create schema if not exists funnelproof;

create table if not exists funnelproof.schema_migration (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
