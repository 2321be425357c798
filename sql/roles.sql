-- The three roles that funnelproof needs, each with the fewest privileges for its work.
--
-- An administrator runs this file with psql in the CRM's database, and also in the report database
-- if the report database is another: psql -v ON_ERROR_STOP=1 -f sql/roles.sql. Run the file after
-- `funnelproof migrate`, as the role that ran `funnelproof migrate`: the default privileges then also
-- cover the tables of later migrations. Running the file again does no harm.
--
-- The roles cannot log in. Give each role a password, or grant worker and reader to existing accounts:
--     alter role funnelproof_cdc login password '...';
--     grant funnelproof_worker to some_account;
-- A role's members do not inherit the attribute `replication`, so Debezium logs in as funnelproof_cdc.
-- The owner of the table makes the publication of the changes, not Debezium.
--
-- funnelproof_cdc     reads the changes of the stage tables: logical replication, and select for
--                     the first snapshot. Writes nothing.
-- funnelproof_worker  reads the CRM's stages and entries, writes every table of schema funnelproof
--                     except the ledger of migrations, adds runs and facts. May edit a run's status.
--                     May edit no fact and no table of the CRM.
-- funnelproof_reader  reads runs, facts, the views and schema funnelproof. Writes nothing.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['funnelproof_cdc', 'funnelproof_worker', 'funnelproof_reader'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
        execute format('grant connect on database %I to %I', current_database(), wanted);
    end loop;
    if not (select rolreplication from pg_roles where rolname = 'funnelproof_cdc') then
        alter role funnelproof_cdc replication;
    end if;
end
$$;

-- Missing tables are skipped: the database may be only the CRM's, or only the report's.
do $$
declare
    item record;
begin
    for item in
        select
            privilege.relation,
            privilege.allowed,
            privilege.role_name
        from (
            values
            ('deal_pipeline_stage_state', 'select', 'funnelproof_cdc'),
            ('deal_pipeline_stage_state', 'select', 'funnelproof_worker'),
            ('pipeline_stage', 'select', 'funnelproof_cdc'),
            ('pipeline_stage', 'select', 'funnelproof_worker'),
            ('report_run', 'select, insert, update (status)', 'funnelproof_worker'),
            ('report_run', 'select', 'funnelproof_reader'),
            ('report_stage_conversion_fact', 'select, insert', 'funnelproof_worker'),
            ('report_stage_conversion_fact', 'select', 'funnelproof_reader'),
            ('stage_conversion_current', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_revisions', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_live', 'select', 'funnelproof_worker, funnelproof_reader')
        ) as privilege (relation, allowed, role_name)
        where to_regclass('dyno_crm.' || privilege.relation) is not null
    loop
        execute format(
            'grant %s on dyno_crm.%I to %s', item.allowed, item.relation, item.role_name
        );
    end loop;
    if to_regnamespace('dyno_crm') is not null then
        grant usage on schema dyno_crm to funnelproof_cdc, funnelproof_worker, funnelproof_reader;
    end if;
end
$$;

do $$
begin
    if to_regclass('funnelproof.schema_migration') is null then
        return;
    end if;
    grant usage on schema funnelproof to funnelproof_worker, funnelproof_reader;
    grant select, insert, update, delete on all tables in schema funnelproof to funnelproof_worker;
    grant usage on all sequences in schema funnelproof to funnelproof_worker;
    grant select on all tables in schema funnelproof to funnelproof_reader;
    -- Only the owner writes the ledger of migrations.
    revoke insert, update, delete on funnelproof.schema_migration from funnelproof_worker;
    alter default privileges in schema funnelproof
    grant select, insert, update, delete on tables to funnelproof_worker;
    alter default privileges in schema funnelproof
    grant usage on sequences to funnelproof_worker;
    alter default privileges in schema funnelproof
    grant select on tables to funnelproof_reader;
end
$$;
