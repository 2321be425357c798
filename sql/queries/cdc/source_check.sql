-- The preconditions of following the CRM's database.
select
    current_setting('wal_level') as wal_level,
    to_regclass('dyno_crm.deal_pipeline_stage_state')::text as stage_state,
    to_regclass('dyno_crm.pipeline_stage')::text as pipeline_stage,
    (
        select relation.relreplident::text
        from pg_class as relation
        where relation.oid = to_regclass('dyno_crm.deal_pipeline_stage_state')
    ) as replica_identity
