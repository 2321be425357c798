-- The pipelines' stages, read on the marker's connection right after the marker. The CRM's display_order may be of any
-- type, also fractional: only the order counts, so a stage's place in the order takes the place of the value.
select
    stage.id::text as stage_id,
    stage.tenant_id::text as tenant_id,
    stage.pipeline_id::text as pipeline_id,
    stage.name::text as name,
    dense_rank() over (partition by stage.tenant_id, stage.pipeline_id order by stage.display_order)::integer
        as display_order
from dyno_crm.pipeline_stage as stage
