-- The names of stages, and the pairs of stages with a stage among them. $1 stages
with
concerned as (
    select
        stage.stage_id,
        format('%s -> %s', pair.from_stage, pair.to_stage) as pair
    from funnelproof.pipeline_stage as stage
    inner join funnelproof.stage_pair as pair using (tenant_id, pipeline_id)
    where stage.stage_id in (pair.from_stage_id, pair.to_stage_id)
)

select
    stage.stage_id,
    stage.name,
    array(
        select concerned.pair
        from concerned
        where concerned.stage_id = stage.stage_id
        order by concerned.pair
    ) as pairs
from funnelproof.pipeline_stage as stage
where stage.stage_id = any($1::uuid[])
