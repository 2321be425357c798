-- The CRM's tables for the embedded stack, equal to a deployment's tables. Existing tables stay as they are.
create schema if not exists dyno_crm;

create table if not exists dyno_crm.pipeline_stage (
    id uuid primary key,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    name text,
    display_order int not null
);

create table if not exists dyno_crm.deal_pipeline_stage_state (
    id uuid primary key,
    tenant_id uuid not null,
    deal_id uuid not null,
    pipeline_id uuid not null,
    pipeline_stage_id uuid not null,
    entered_at timestamptz not null,
    exited_at timestamptz
);

create table if not exists dyno_crm.report_run (
    id uuid primary key,
    tenant_id uuid not null,
    report_type text not null,
    generated_at timestamptz not null,
    period_start timestamptz,
    period_end timestamptz,
    parameters jsonb,
    status text
);

-- The replica identity is set only if necessary, because setting it waits for every transaction on the table.
do $$
begin
    if (
        select relreplident <> 'f'
        from pg_class
        where oid = 'dyno_crm.deal_pipeline_stage_state'::regclass
    ) then
        alter table dyno_crm.deal_pipeline_stage_state replica identity full;
    end if;
end
$$;
