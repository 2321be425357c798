-- Bounds the work of a transaction that reads deals from the CRM, and takes the role for deals where the session's role may
-- become this role; tells the server's clock, and whether the server is a replica. $1 the most time of a statement
select
    set_config('statement_timeout', $1, true),
    set_config('max_parallel_workers_per_gather', '0', true),
    case
        when exists (
            select from pg_roles
            where
                pg_roles.rolname = 'funnelproof_deals'
                and pg_has_role(pg_roles.oid, 'member')
                and has_schema_privilege(pg_roles.oid, to_regnamespace('dyno_crm'), 'usage')
                and has_column_privilege(
                    pg_roles.oid, to_regclass('dyno_crm.deal_pipeline_stage_state'), 'deal_id', 'select'
                )
        ) then set_config('role', 'funnelproof_deals', true)
    end,
    clock_timestamp() as now,
    pg_is_in_recovery() as is_replica
