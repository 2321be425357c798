-- What `migrate` has made in the report database, as far as it is there. `of_others`: this session's role may not drop it.
-- $1: the tables of runs and facts stay. `runs_are_made_here`: report_run is exactly as `migrate` makes it, so `migrate` may have made it.
with
run_column as (
    select
        array_agg(
            attribute.attname || ' ' || format_type(attribute.atttypid, attribute.atttypmod)
            || case when attribute.attnotnull then ' not null' else '' end
            || coalesce(' default ' || pg_get_expr(preset.adbin, preset.adrelid), '')
            order by attribute.attnum
        ) as described
    from pg_attribute as attribute
    left join pg_attrdef as preset
        on attribute.attrelid = preset.adrelid and attribute.attnum = preset.adnum
    where
        attribute.attrelid = to_regclass('dyno_crm.report_run')
        and attribute.attnum > 0
        and not attribute.attisdropped
)

select
    (
        select coalesce(array_agg(relation.oid::regclass::text order by relation.relname), '{}')
        from pg_class as relation
        where
            relation.relnamespace = to_regnamespace('dyno_crm')
            and relation.relkind = 'v'
            and relation.relname in (
                'stage_conversion_current',
                'stage_conversion_revisions',
                'stage_conversion_live',
                'stage_conversion_ledger',
                'stage_conversion_alert',
                'stage_conversion_alert_event'
            )
    ) as views,
    -- Views of the page in the schema funnelproof, which rest on the views above.
    (
        select coalesce(array_agg(distinct resting.oid::regclass::text), '{}')
        from pg_depend as rests
        inner join pg_rewrite as rule on rests.classid = 'pg_rewrite'::regclass and rests.objid = rule.oid
        inner join pg_class as resting on rule.ev_class = resting.oid
        inner join pg_class as relation on rests.refobjid = relation.oid
        where
            rests.refclassid = 'pg_class'::regclass
            and resting.relnamespace = to_regnamespace('funnelproof')
            and relation.relnamespace = to_regnamespace('dyno_crm')
            and relation.relkind = 'v'
            and relation.relname like 'stage\_conversion\_%'
    ) as resting_views,
    to_regnamespace('funnelproof') is not null as has_schema,
    to_regclass('dyno_crm.report_stage_conversion_fact') is not null as has_facts,
    to_regclass('dyno_crm.report_run') is not null as has_runs,
    exists(
        select from pg_constraint as only_one
        where
            only_one.conrelid = to_regclass('dyno_crm.report_run')
            and only_one.conname = 'ux_report_run_id_tenant'
    ) as has_constraint,
    coalesce(
        run_column.described = array[
            'id uuid not null default gen_random_uuid()',
            'tenant_id uuid not null',
            'report_type text not null',
            'generated_at timestamp with time zone not null default now()',
            'period_start timestamp with time zone',
            'period_end timestamp with time zone',
            'parameters jsonb',
            'status text'
        ],
        false
    ) as runs_are_made_here,
    not exists (
        select from pg_class as stranger
        where
            stranger.relnamespace = to_regnamespace('dyno_crm')
            and stranger.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
            and stranger.relname not in (
                'report_run',
                'report_stage_conversion_fact',
                'stage_conversion_current',
                'stage_conversion_revisions',
                'stage_conversion_live',
                'stage_conversion_ledger',
                'stage_conversion_alert',
                'stage_conversion_alert_event'
            )
    )
    and not exists (
        select from pg_proc as function
        where function.pronamespace = to_regnamespace('dyno_crm')
    ) as has_no_crm,
    (
        select coalesce(array_agg(owned.name order by owned.name), '{}')
        from (
            select
                relation.oid::regclass::text as name,
                relation.relowner as owner
            from pg_class as relation
            where
                relation.relnamespace = to_regnamespace('dyno_crm')
                and relation.relname in (
                    'stage_conversion_current',
                    'stage_conversion_revisions',
                    'stage_conversion_live',
                    'stage_conversion_ledger',
                    'stage_conversion_alert',
                    'stage_conversion_alert_event',
                    'report_stage_conversion_fact',
                    'report_run'
                )
                and not ($1::boolean and relation.relkind <> 'v')
            union all
            select
                'schema funnelproof',
                space.nspowner
            from pg_namespace as space
            where space.oid = to_regnamespace('funnelproof')
        ) as owned
        where not pg_has_role(owned.owner, 'usage')
    ) as of_others
from run_column
