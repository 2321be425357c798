-- The six roles that funnelproof needs, each with the fewest privileges for its work.
--
-- An administrator runs this file once in the CRM's database, before `funnelproof migrate`:
--     psql -v ON_ERROR_STOP=1 -f sql/roles.sql crm
-- If the report tables are in another database, then once in each of the two databases:
--     psql -v ON_ERROR_STOP=1 -c "set funnelproof.part = source" -f sql/roles.sql crm
--     psql -v ON_ERROR_STOP=1 -c "set funnelproof.part = report" -f sql/roles.sql report
-- `funnelproof migrate`, run as funnelproof_owner, then gives the other roles their privileges on the report tables.
-- Running the file or `funnelproof migrate` again does no harm.
--
-- The roles cannot log in. Give each role a password, or grant a role to an existing account:
--     alter role funnelproof_cdc login;  \password funnelproof_cdc
--     grant funnelproof_worker to some_account;
-- A role's members do not inherit the attribute `replication`, so Debezium logs in as funnelproof_cdc.
-- The owner of the table makes the publication of the changes, not Debezium.
--
-- funnelproof_cdc     reads the changes of the stage tables: logical replication, and select for
--                     the first snapshot. Writes nothing.
-- funnelproof_owner   runs `funnelproof migrate`: makes and owns schema funnelproof, the report tables
--                     and the views. Has no privilege on the CRM's own tables.
-- funnelproof_worker  reads the CRM's stages and entries, writes every table of schema funnelproof
--                     except the ledger of migrations, adds runs and facts. May edit a run's status.
--                     May edit no fact and no table of the CRM.
-- funnelproof_reader  reads runs, facts, the views and schema funnelproof. Writes nothing.
-- funnelproof_web     reads the views of the page, which show the rows of the tenants that a session names. Writes nothing.
-- funnelproof_deals   reads six columns of the stage table, for the deals behind a number on the page. Writes nothing.
do $$
declare
    part constant text := coalesce(nullif(current_setting('funnelproof.part', true), ''), 'both');
    wanted text;
begin
    if part not in ('both', 'source', 'report') then
        raise exception 'funnelproof.part is source, report or both, not %', part;
    end if;
    foreach wanted in array array[
        'funnelproof_cdc', 'funnelproof_owner', 'funnelproof_worker', 'funnelproof_reader', 'funnelproof_web',
        'funnelproof_deals'
    ] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
        execute format('grant connect on database %I to %I', current_database(), wanted);
    end loop;
    if not (select rolreplication from pg_roles where rolname = 'funnelproof_cdc') then
        begin
            alter role funnelproof_cdc replication;
        exception when insufficient_privilege then
            raise warning 'you may not give a role the attribute replication: give funnelproof_cdc the right to '
                'replicate as your provider says, on Amazon RDS for example: grant rds_replication to '
                'funnelproof_cdc;';
        end;
    end if;
end
$$;

-- The CRM's tables.
do $$
declare
    crm_table text;
begin
    if current_setting('funnelproof.part', true) = 'report' then
        return;
    end if;
    if to_regnamespace('dyno_crm') is not null then
        grant usage on schema dyno_crm to funnelproof_cdc, funnelproof_worker, funnelproof_deals;
    end if;
    foreach crm_table in array array['deal_pipeline_stage_state', 'pipeline_stage'] loop
        if to_regclass('dyno_crm.' || crm_table) is null then
            raise warning 'there is no dyno_crm.% yet: run this file again once the table is there', crm_table;
        else
            execute format(
                'grant select on dyno_crm.%I to funnelproof_cdc, funnelproof_worker', crm_table
            );
        end if;
    end loop;
    if to_regclass('dyno_crm.deal_pipeline_stage_state') is not null then
        grant select (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
        on dyno_crm.deal_pipeline_stage_state to funnelproof_deals;
    end if;
end
$$;

-- The database of the report tables: `funnelproof migrate` may make its schemas and its tables here.
do $$
declare
    run_owner name;
begin
    if current_setting('funnelproof.part', true) = 'source' then
        return;
    end if;
    execute format('grant create on database %I to funnelproof_owner', current_database());
    -- `reconcile` compares in temporary tables.
    execute format('grant temporary on database %I to funnelproof_worker', current_database());
    if to_regnamespace('dyno_crm') is not null then
        grant usage, create on schema dyno_crm to funnelproof_owner;
        grant usage on schema dyno_crm to funnelproof_worker, funnelproof_reader;
    end if;
    run_owner := (
        select pg_get_userbyid(relation.relowner)
        from pg_class as relation
        where relation.oid = to_regclass('dyno_crm.report_run')
    );
    if run_owner <> 'funnelproof_owner' then
        -- The views read the table as their owner.
        grant select, references on dyno_crm.report_run to funnelproof_owner;
        raise notice 'dyno_crm.report_run belongs to %, and `funnelproof migrate` adds columns to the table. '
            'Before the first `funnelproof migrate`: grant % to funnelproof_owner; and afterwards: '
            'revoke % from funnelproof_owner;', run_owner, quote_ident(run_owner),
            quote_ident(run_owner);
    end if;
end
$$;
