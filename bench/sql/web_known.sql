-- How many of the pipelines $1 the workers know with all their stages.
select count(*)
from (
    select stage.pipeline_id
    from dyno_crm.pipeline_stage as stage
    left join funnelproof.pipeline_stage as known
        on stage.id = known.stage_id and stage.tenant_id = known.tenant_id
    where stage.pipeline_id = any($1::uuid[])
    group by stage.pipeline_id
    having count(*) = count(known.stage_id)
) as complete
