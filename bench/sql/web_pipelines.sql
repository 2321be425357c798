-- The stages of each pipeline in the CRM.
select
    stage.tenant_id,
    stage.pipeline_id,
    count(*) as stages
from dyno_crm.pipeline_stage as stage
group by stage.tenant_id, stage.pipeline_id
