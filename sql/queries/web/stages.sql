-- The names of the stages of a pipeline.
select
    stage.stage_id,
    stage.name
from funnelproof.web_stage as stage
where stage.tenant_id = $1 and stage.pipeline_id = $2
