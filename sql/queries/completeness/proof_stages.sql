-- The pipelines' stages, read on the marker's connection right after the marker.
select
    stage.id::text as stage_id,
    stage.tenant_id::text as tenant_id,
    stage.pipeline_id::text as pipeline_id,
    stage.name,
    stage.display_order
from dyno_crm.pipeline_stage as stage
