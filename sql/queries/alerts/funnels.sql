-- Every pipeline with its stages, and with the pairs of stages that the pipeline is reported on.
with
stages as (
    select
        stage.tenant_id,
        stage.pipeline_id,
        array_agg(stage.stage_id::text order by stage.display_order, stage.stage_id) as stage_ids,
        array_agg(stage.name order by stage.display_order, stage.stage_id) as stage_names
    from funnelproof.pipeline_stage as stage
    group by stage.tenant_id, stage.pipeline_id
),

pairs as (
    select
        pair.tenant_id,
        pair.pipeline_id,
        array_agg(pair.from_stage_id::text order by pair.from_stage_id, pair.to_stage_id) as from_stages,
        array_agg(pair.to_stage_id::text order by pair.from_stage_id, pair.to_stage_id) as to_stages
    from funnelproof.stage_pair as pair
    group by pair.tenant_id, pair.pipeline_id
)

select
    stages.tenant_id::text as tenant_id,
    stages.pipeline_id::text as pipeline_id,
    stages.stage_ids,
    stages.stage_names,
    coalesce(pairs.from_stages, '{}') as from_stages,
    coalesce(pairs.to_stages, '{}') as to_stages
from stages
left join pairs using (tenant_id, pipeline_id)
order by stages.tenant_id, stages.pipeline_id
