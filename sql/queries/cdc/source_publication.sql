-- The statement that makes the publication of the stage table, and whether this session's role may run the statement.
-- A partitioned table is published under its own name. From Postgres 18 on, a publication that leaves a stored
-- generated column out would make the CRM's updates fail. $1 publication name
select
    format(
        'create publication %I for table dyno_crm.deal_pipeline_stage_state with (publish = %L%s%s)',
        $1::text,
        'insert, update, delete',
        case when relation.relkind = 'p' then ', publish_via_partition_root = true' end,
        case
            when
                current_setting('server_version_num')::integer >= 180000
                and exists (
                    select from pg_attribute as attribute
                    where
                        attribute.attrelid = relation.oid
                        and attribute.attgenerated = 's'
                        and not attribute.attisdropped
                )
                then ', publish_generated_columns = stored'
        end
    ) as statement,
    pg_has_role(relation.relowner, 'usage')
    and has_database_privilege(current_database(), 'create') as may_publish,
    pg_has_role(relation.relowner, 'usage')
    and has_schema_privilege(relation.relnamespace, 'create')
    and has_table_privilege(relation.oid, 'delete') as may_trigger
from pg_class as relation
where relation.oid = to_regclass('dyno_crm.deal_pipeline_stage_state')
