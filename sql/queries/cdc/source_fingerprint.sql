-- Everything that the capture of changes rests on, as one JSON document (see streams/domain/fingerprint.py).
-- A `version` is the xmin of a catalog row: the version differs after a change that was undone.
-- $1 publication name. $2 role that reads the first snapshot; null: the role of this session.
with recursive
stage_table as (
    select
        relation.*,
        relation.oid as relation_oid
    from pg_class as relation
    where relation.oid = to_regclass('dyno_crm.deal_pipeline_stage_state')
),

descendant as (
    select
        inherited.inhrelid,
        inherited.xmin::text as version
    from stage_table
    inner join pg_inherits as inherited on stage_table.relation_oid = inherited.inhparent
    union all
    select
        inherited.inhrelid,
        inherited.xmin::text as version
    from descendant
    inner join pg_inherits as inherited on descendant.inhrelid = inherited.inhparent
),

followed as (
    select
        relation.oid as relation_oid,
        jsonb_build_object(
            'oid', relation.oid::bigint,
            'name', relation.oid::regclass::text,
            'kind', relation.relkind::text,
            'persistence', relation.relpersistence::text,
            'identity', relation.relreplident::text,
            'file', relation.relfilenode::bigint,
            'version', relation.xmin::text,
            'owner', relation.relowner::bigint,
            'name_version', type.xmin::text,
            -- An `attach partition` leaves the row type of the table as it was.
            'made_as_partition', coalesce(descendant.version = type.xmin::text, false)
        ) as described
    from pg_class as relation
    inner join pg_type as type on relation.reltype = type.oid
    left join descendant on relation.oid = descendant.inhrelid
    where
        relation.oid = (select stage_table.relation_oid from stage_table)
        or descendant.inhrelid is not null
),

reader as (
    select
        role.oid as role_oid,
        role.rolname,
        role.rolsuper or role.rolbypassrls as bypasses
    from pg_roles as role
    where role.rolname = coalesce($2::text, current_user)
    union
    select
        role.oid,
        role.rolname,
        role.rolsuper or role.rolbypassrls
    from pg_roles as role
    where role.rolname = current_user
)

select
    jsonb_build_object(
        'database', (
            select base.oid::bigint
            from pg_database as base
            where base.datname = current_database()
        ),
        'server_version', current_setting('server_version_num')::integer,
        'wal_level', current_setting('wal_level'),
        'has_stages', to_regclass('dyno_crm.pipeline_stage') is not null,
        'table', (
            select followed.described
            from followed
            inner join stage_table using (relation_oid)
        ),
        'descendants', (
            select coalesce(jsonb_agg(followed.described order by followed.relation_oid), '[]')
            from followed
            where followed.relation_oid not in (select stage_table.relation_oid from stage_table)
        ),
        'parents', (
            select coalesce(jsonb_agg(inherited.inhparent::regclass::text order by inherited.inhparent), '[]')
            from stage_table
            inner join pg_inherits as inherited on stage_table.relation_oid = inherited.inhrelid
        ),
        'columns', (
            select
                coalesce(
                    jsonb_agg(
                        jsonb_build_object(
                            'name', attribute.attname,
                            'number', attribute.attnum,
                            'type', format_type(attribute.atttypid, null),
                            'generated', attribute.attgenerated::text
                        )
                        order by attribute.attnum
                    ),
                    '[]'
                )
            from stage_table
            inner join pg_attribute as attribute on stage_table.relation_oid = attribute.attrelid
            where
                attribute.attnum > 0
                and not attribute.attisdropped
                and (
                    attribute.attgenerated <> ''
                    or attribute.attname in (
                        'id', 'tenant_id', 'deal_id', 'pipeline_id', 'pipeline_stage_id', 'entered_at'
                    )
                )
        ),
        'hidden_from', (
            select coalesce(jsonb_agg(distinct reader.rolname order by reader.rolname), '[]')
            from reader
            cross join pg_class as relation
            where
                relation.oid in (
                    to_regclass('dyno_crm.deal_pipeline_stage_state'), to_regclass('dyno_crm.pipeline_stage')
                )
                and relation.relrowsecurity
                and not reader.bypasses
                and (
                    relation.relforcerowsecurity
                    or not pg_has_role(reader.role_oid, relation.relowner, 'usage')
                )
        ),
        'publication', (
            select
                jsonb_build_object(
                    'name', quote_ident(publication.pubname),
                    'oid', publication.oid::bigint,
                    'version', publication.xmin::text,
                    'owner', publication.pubowner::bigint,
                    'all_tables', publication.puballtables,
                    'insert', publication.pubinsert,
                    'update', publication.pubupdate,
                    'delete', publication.pubdelete,
                    'truncate', publication.pubtruncate,
                    'via_root', publication.pubviaroot,
                    'generated', coalesce(to_jsonb(publication) ->> 'pubgencols', 'n'),
                    'tables', (
                        select
                            coalesce(
                                jsonb_agg(
                                    jsonb_build_object(
                                        'oid', member.prrelid::bigint,
                                        'name', member.prrelid::regclass::text,
                                        'version', member.xmin::text,
                                        'filtered', to_jsonb(member) ->> 'prqual' is not null,
                                        'column_list', to_jsonb(member) ->> 'prattrs' is not null
                                    )
                                    order by member.prrelid
                                ),
                                '[]'
                            )
                        from pg_publication_rel as member
                        where member.prpubid = publication.oid
                    )
                )
            from pg_publication as publication
            where publication.pubname = $1
        ),
        'trigger', (
            select
                jsonb_build_object(
                    'version', wiper.xmin::text,
                    'enabled', wiper.tgenabled::text,
                    'fired_in', (
                        select note.xmin::text
                        from pg_description as note
                        where note.classoid = 'pg_trigger'::regclass and note.objoid = wiper.oid
                    ),
                    'function_version', (
                        select function.xmin::text
                        from pg_proc as function
                        where function.oid = wiper.tgfoid
                    )
                )
            from stage_table
            inner join pg_trigger as wiper on stage_table.relation_oid = wiper.tgrelid
            where wiper.tgname = 'funnelproof_delete_before_truncate'
        )
    )::text as fingerprint
