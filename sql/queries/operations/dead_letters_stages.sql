-- The names of stages, and the pairs of stages with a stage among them. $1 stages
select
    stage.stage_id,
    stage.name,
    coalesce(
        (
            select array_agg(format('%s -> %s', pair.from_stage, pair.to_stage) order by pair.from_stage, pair.to_stage)
            from funnelproof.stage_pair as pair
            where
                pair.tenant_id = stage.tenant_id
                and pair.pipeline_id = stage.pipeline_id
                and stage.stage_id in (pair.from_stage_id, pair.to_stage_id)
        ),
        '{}'
    ) as pairs
from funnelproof.pipeline_stage as stage
where stage.stage_id = any($1::uuid[])
