-- The present pairs of stages of the given pipelines, with the stages' names.
select
    pair.tenant_id,
    pair.pipeline_id,
    pair.from_stage_id,
    pair.from_stage,
    pair.to_stage_id,
    pair.to_stage
from funnelproof.stage_pair as pair
inner join unnest($1::uuid[], $2::uuid[]) as asked (tenant_id, pipeline_id) using (tenant_id, pipeline_id)
