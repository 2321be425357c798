-- Where reports are kept: one row for each run of a report, and the facts of its stage pairs.
-- touches dyno_crm.report_run: made, or given what it lacks, and unique (id, tenant_id)
-- touches dyno_crm.report_stage_conversion_fact: made, with its indexes

create schema if not exists dyno_crm;

create table if not exists dyno_crm.report_run (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null,
    report_type text not null,
    generated_at timestamptz not null default now()
);

-- An existing table may hold runs, so what is added to it may be null.
alter table dyno_crm.report_run
add column if not exists tenant_id uuid,
add column if not exists report_type text,
add column if not exists generated_at timestamptz,
add column if not exists period_start timestamptz,
add column if not exists period_end timestamptz,
add column if not exists parameters jsonb,
add column if not exists status text;

-- The facts' foreign key needs a unique (id, tenant_id); one by another name will do.
do $$
begin
    if not exists (
        select
        from pg_index as i
        where i.indrelid = 'dyno_crm.report_run'::regclass
            and i.indisunique
            and i.indisvalid
            and i.indimmediate
            and i.indpred is null
            and i.indnkeyatts = 2
            and (
                select array_agg(a.attname::text order by a.attname)
                from pg_attribute as a
                where a.attrelid = i.indrelid
                    and a.attnum = any(i.indkey[0:1])
            ) = array['id', 'tenant_id']
    ) then
        alter table dyno_crm.report_run
        add constraint ux_report_run_id_tenant unique (id, tenant_id);
    end if;
end
$$;

create table if not exists dyno_crm.report_stage_conversion_fact (
    run_id uuid not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    entered_count bigint not null,
    converted_count bigint not null,
    conversion_rate numeric(5, 4) not null,
    constraint fk_rsc_run foreign key (run_id, tenant_id)
    references dyno_crm.report_run (id, tenant_id) on delete cascade,
    constraint ux_rsc_run_stage unique (run_id, pipeline_id, from_stage_id, to_stage_id)
);

create index if not exists ix_rsc_tenant_pipeline
on dyno_crm.report_stage_conversion_fact (tenant_id, pipeline_id);

create index if not exists ix_rsc_stage_pair
on dyno_crm.report_stage_conversion_fact (tenant_id, from_stage_id, to_stage_id);
