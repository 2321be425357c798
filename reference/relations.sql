-- The columns of every table and view of a migrated database, with the columns of primary keys.
select
    namespace.nspname as schema_name,
    relation.relname as relation_name,
    relation.relkind in ('v', 'm') as is_view,
    attribute.attname as column_name,
    format_type(attribute.atttypid, attribute.atttypmod) as form,
    attribute.attnotnull as is_required,
    coalesce(attribute.attnum = any(key.conkey), false) as is_key
from pg_class as relation
inner join pg_namespace as namespace on relation.relnamespace = namespace.oid
inner join pg_attribute as attribute on relation.oid = attribute.attrelid
left join pg_constraint as key on relation.oid = key.conrelid and key.contype = 'p'
where
    namespace.nspname in ('dyno_crm', 'funnelproof')
    and relation.relkind in ('r', 'p', 'v', 'm')
    and attribute.attnum > 0
    and not attribute.attisdropped
order by namespace.nspname, relation.relname, attribute.attnum
