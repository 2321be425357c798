-- The database in which one contender leaves its result: what it may read, what is expected of it.
create schema bench;

create table bench.stage (
    id uuid primary key,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    display_order integer not null
);

create table bench.expected (
    window_name text not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_start timestamptz not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    entered_count bigint not null,
    converted_count bigint not null
);

-- What contenders other than funnelproof write.
create table bench.facts (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    "window" date not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    entered_count bigint not null,
    converted_count bigint not null,
    primary key (pipeline_id, "window", from_stage_id)
);

create view bench.result as
select
    'day'::text as window_name,
    tenant_id,
    pipeline_id,
    "window"::timestamp at time zone 'UTC' as window_start,
    from_stage_id,
    to_stage_id,
    entered_count,
    converted_count
from bench.facts;
