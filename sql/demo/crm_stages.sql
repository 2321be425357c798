-- The simulated CRM: its pipelines' stages are inserted; stages of an earlier run stay as they are.
-- $1 stage ids, $2 tenant ids, $3 pipeline ids, $4 names, $5 display orders
insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, name, display_order)
select
    stage.id,
    stage.tenant_id,
    stage.pipeline_id,
    stage.name,
    stage.display_order
from
    unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[])
        as stage (id, tenant_id, pipeline_id, name, display_order)
on conflict (id) do nothing
