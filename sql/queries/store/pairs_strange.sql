-- The configured pairs that the CRM does not know: a pipeline without any stage (`stages` is null), or the given stages
-- that belong to another pipeline or to no pipeline.
with
given as (
    select distinct
        pair.tenant_id,
        pair.pipeline_id,
        stage.stage_id
    from
        unnest($1::text[]::uuid[], $2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::uuid[])
            as pair (tenant_id, pipeline_id, from_stage_id, to_stage_id)
    cross join unnest(array[pair.from_stage_id, pair.to_stage_id]) as stage (stage_id)
),

unknown as (
    select
        given.tenant_id,
        given.pipeline_id,
        given.stage_id,
        (
            select count(*)
            from dyno_crm.pipeline_stage as known
            where known.tenant_id = given.tenant_id and known.pipeline_id = given.pipeline_id
        ) as stages
    from given
    left join dyno_crm.pipeline_stage as stage
        on
            given.stage_id = stage.id
            and given.tenant_id = stage.tenant_id
            and given.pipeline_id = stage.pipeline_id
    where stage.id is null
)

select
    unknown.tenant_id || '/' || unknown.pipeline_id as pipeline,
    array_agg(unknown.stage_id::text order by unknown.stage_id) filter (where unknown.stages > 0) as stages
from unknown
group by unknown.tenant_id, unknown.pipeline_id
order by unknown.tenant_id, unknown.pipeline_id
