-- Names of tenants and pipelines for people, read from the CRM with FUNNELPROOF_LABELS_SQL.

create table funnelproof.label (
    kind text not null check (kind in ('tenant', 'pipeline')),
    id uuid not null,
    name text not null,
    primary key (kind, id)
);

-- The last look at the CRM's labels. `failures` counts the looks that met a mistake; `trouble` is the present mistake.
create table funnelproof.label_look (
    singleton boolean primary key default true check (singleton),
    looked_at timestamptz not null default clock_timestamp(),
    failures bigint not null,
    trouble text
);
