-- Gives the roles of sql/roles.sql, if the roles exist, their privileges on what the session's role has made.
do $$
declare
    has_roles constant boolean := (
        select count(*) = 2
        from pg_roles
        where rolname in ('funnelproof_worker', 'funnelproof_reader')
    );
    owns_schema constant boolean := (
        select pg_has_role(namespace.nspowner, 'usage')
        from pg_namespace as namespace
        where namespace.nspname = 'funnelproof'
    );
    item record;
begin
    -- The lock of `migrate`: two sessions must not grant at once.
    perform pg_advisory_xact_lock(hashtextextended('funnelproof.migrate', 0));
    if not has_roles or owns_schema is not true then
        return;
    end if;
    grant usage on schema funnelproof to funnelproof_worker, funnelproof_reader;
    grant select on all tables in schema funnelproof to funnelproof_worker, funnelproof_reader;
    grant insert, update, delete on all tables in schema funnelproof to funnelproof_worker;
    grant usage on all sequences in schema funnelproof to funnelproof_worker;
    -- Only the owner writes the ledger of migrations.
    revoke insert, update, delete on funnelproof.schema_migration from funnelproof_worker;
    revoke select on funnelproof.web_token from funnelproof_reader;
    if exists (select from pg_roles where rolname = 'funnelproof_web') then
        grant usage on schema funnelproof to funnelproof_web;
        for item in
            select relation.oid::regclass as name
            from pg_class as relation
            where
                relation.relnamespace = 'funnelproof'::regnamespace
                and relation.relkind = 'v'
                and relation.relname like 'web\_%'
        loop
            execute format('grant select on %s to funnelproof_web', item.name);
        end loop;
    end if;
    for item in
        select
            privilege.relation,
            privilege.allowed,
            privilege.role_name
        from (
            values
            ('report_run', 'select, insert, update (status)', 'funnelproof_worker'),
            ('report_run', 'select', 'funnelproof_reader'),
            ('report_stage_conversion_fact', 'select, insert', 'funnelproof_worker'),
            ('report_stage_conversion_fact', 'select', 'funnelproof_reader'),
            ('stage_conversion_current', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_revisions', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_live', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_ledger', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_alert', 'select', 'funnelproof_worker, funnelproof_reader'),
            ('stage_conversion_alert_event', 'select', 'funnelproof_worker, funnelproof_reader')
        ) as privilege (relation, allowed, role_name)
        inner join pg_class as relation
            on relation.oid = to_regclass('dyno_crm.' || privilege.relation)
        where pg_has_role(relation.relowner, 'usage')
    loop
        execute format(
            'grant %s on dyno_crm.%I to %s', item.allowed, item.relation, item.role_name
        );
    end loop;
    -- Where the schema is the CRM's, sql/roles.sql has granted its usage.
    if exists (
        select
        from pg_namespace as namespace
        where namespace.nspname = 'dyno_crm' and pg_has_role(namespace.nspowner, 'usage')
    ) then
        grant usage on schema dyno_crm to funnelproof_worker, funnelproof_reader;
    end if;
end
$$
