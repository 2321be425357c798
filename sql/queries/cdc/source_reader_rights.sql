-- The statements that give the connector's role the rights that it lacks; null if the role lacks none. $1 role
select string_agg(lacking.statement, '; ') as statements
from pg_roles as role
cross join
    lateral (
        values
        (
            format('alter role %I login', role.rolname),
            role.rolcanlogin
        ),
        (
            format('alter role %I replication', role.rolname),
            role.rolsuper
            or role.rolreplication
            or exists (
                select from pg_roles as managed
                where
                    managed.rolname in ('rds_superuser', 'rds_replication')
                    and pg_has_role(role.oid, managed.oid, 'member')
            )
        ),
        (
            format('grant usage on schema dyno_crm to %I', role.rolname),
            has_schema_privilege(role.oid, to_regnamespace('dyno_crm'), 'usage')
        ),
        (
            format('grant select on dyno_crm.deal_pipeline_stage_state to %I', role.rolname),
            has_table_privilege(role.oid, to_regclass('dyno_crm.deal_pipeline_stage_state'), 'select')
        )
    ) as lacking (statement, is_given)
where role.rolname = $1 and not lacking.is_given
