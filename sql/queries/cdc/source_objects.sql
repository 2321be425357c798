-- The objects of an installation in the CRM's database, in the order of their removal. `is_right`: as the capture needs
-- the object. `is_own`: no other program and no other installation rests on the object. `may_drop`: this session's role
-- may run `statement`. $1 name of slot and publication. $2 body of the trigger's function
with
stage_table as (
    select
        relation.oid as relation_oid,
        relation.relowner,
        relation.relkind
    from pg_class as relation
    where relation.oid = to_regclass('dyno_crm.deal_pipeline_stage_state')
),

published as (
    select
        publication.*,
        publication.oid as publication_oid,
        coalesce(
            (
                select
                    bool_and(
                        member.prrelid = stage_table.relation_oid
                        and to_jsonb(member) ->> 'prqual' is null
                        and to_jsonb(member) ->> 'prattrs' is null
                    )
                from pg_publication_rel as member
                left join stage_table on true
                where member.prpubid = publication.oid
            ),
            false
        ) as has_whole_table,
        publication.puballtables
        or exists (
            select from pg_publication_tables as told
            where
                told.pubname = publication.pubname
                and (told.schemaname, told.tablename) <> ('dyno_crm', 'deal_pipeline_stage_state')
                and not exists (
                    select
                    from pg_partition_tree(to_regclass('dyno_crm.deal_pipeline_stage_state')) as leaf
                    inner join pg_class as relation on leaf.relid = relation.oid
                    inner join pg_namespace as own on relation.relnamespace = own.oid
                    where own.nspname = told.schemaname and relation.relname = told.tablename
                )
        ) as has_others
    from pg_publication as publication
),

another as (
    select slot.slot_name
    from pg_replication_slots as slot
    inner join published on slot.slot_name = published.pubname and published.has_whole_table
    where slot.database = current_database() and slot.plugin = 'pgoutput' and slot.slot_name <> $1
),

wiper as (
    select
        function.oid as function_oid,
        function.proowner,
        function.prosecdef and function.prosrc = $2::text as is_right
    from pg_proc as function
    where function.oid = to_regprocedure('dyno_crm.funnelproof_delete_before_truncate()')
),

attached as (
    select trigger.tgenabled = 'A' and wiper.is_right as is_right
    from stage_table
    inner join pg_trigger as trigger on stage_table.relation_oid = trigger.tgrelid
    inner join wiper on trigger.tgfoid = wiper.function_oid
    where trigger.tgname = 'funnelproof_delete_before_truncate'
)

select
    'replication slot' as kind,
    slot.slot_name::text as name,
    coalesce(slot.plugin = 'pgoutput' and slot.database = current_database(), false) as is_right,
    coalesce(slot.plugin = 'pgoutput' and slot.database = current_database(), false) as is_own,
    exists(
        select from pg_roles as role
        where
            (role.rolname = current_user and (role.rolsuper or role.rolreplication))
            or (role.rolname in ('rds_superuser', 'rds_replication') and pg_has_role(role.oid, 'usage'))
    ) as may_drop,
    format('select pg_drop_replication_slot(%L)', slot.slot_name) as statement,
    coalesce(slot.plugin, slot.slot_type) || ' in the database ' || coalesce(slot.database, 'none') as detail,
    slot.active
from pg_replication_slots as slot
where slot.slot_name = $1
union all
select
    'publication',
    published.pubname::text,
    published.has_whole_table
    and not published.has_others
    and published.pubinsert
    and published.pubupdate
    and published.pubdelete
    and (published.pubviaroot or stage_table.relkind <> 'p'),
    not published.has_others,
    pg_has_role(published.pubowner, 'usage'),
    format('drop publication %I', published.pubname),
    coalesce(
        (
            select string_agg(format('%I.%I', told.schemaname, told.tablename), ', ')
            from pg_publication_tables as told
            where told.pubname = published.pubname
        ),
        'no table'
    ),
    null
from published
left join stage_table on true
where published.pubname = $1
union all
select
    'trigger',
    'funnelproof_delete_before_truncate',
    attached.is_right,
    not exists (select from another),
    pg_has_role(stage_table.relowner, 'usage'),
    'drop trigger funnelproof_delete_before_truncate on dyno_crm.deal_pipeline_stage_state',
    'on dyno_crm.deal_pipeline_stage_state',
    null
from stage_table
cross join attached
union all
select
    'function',
    'dyno_crm.funnelproof_delete_before_truncate()',
    wiper.is_right,
    not exists (select from another),
    pg_has_role(wiper.proowner, 'usage'),
    -- A table that once was the stage table may still have the trigger.
    'drop function dyno_crm.funnelproof_delete_before_truncate() cascade',
    'of the trigger',
    null
from wiper
