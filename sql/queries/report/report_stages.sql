-- The stages of a pipeline, in display order. $1 tenant_id, $2 pipeline_id
select
    id,
    name
from dyno_crm.pipeline_stage
where tenant_id = $1 and pipeline_id = $2
order by display_order, id
