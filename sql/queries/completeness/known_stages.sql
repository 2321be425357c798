-- The report database's copy of the pipelines' stages, from the last proof.
select
    stage.stage_id::text as stage_id,
    stage.tenant_id::text as tenant_id,
    stage.pipeline_id::text as pipeline_id,
    stage.name,
    stage.display_order
from funnelproof.pipeline_stage as stage
