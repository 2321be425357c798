-- In each pipeline of the tenant $1, a new deal enters the first $3 stages one after the other, from $2 on.
with
deal as (
    select
        stage.pipeline_id,
        gen_random_uuid() as deal_id
    from dyno_crm.pipeline_stage as stage
    where stage.tenant_id = $1
    group by stage.pipeline_id
)

insert into dyno_crm.deal_pipeline_stage_state
(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select
    gen_random_uuid(),
    $1,
    deal.deal_id,
    deal.pipeline_id,
    stage.id,
    $2::timestamptz + stage.display_order * interval '1 ms'
from deal
inner join dyno_crm.pipeline_stage as stage using (pipeline_id)
where stage.display_order <= $3::integer
