-- $1 entries of the last 28 days, three to a deal, spread evenly over all pipelines.
with stages as (
    select
        id,
        tenant_id,
        pipeline_id,
        row_number() over (
            partition by pipeline_id
            order by display_order
        ) as place,
        dense_rank() over (order by pipeline_id) as pipeline
    from dyno_crm.pipeline_stage
),

deals as (
    select
        gen_random_uuid() as deal_id,
        1 + number % (select max(pipeline) from stages) as pipeline,
        now() - random() * interval '28 days' - interval '3 hours' as began
    from generate_series(1, $1::bigint / 3) as number
)

insert into dyno_crm.deal_pipeline_stage_state
(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select
    gen_random_uuid(),
    stages.tenant_id,
    deals.deal_id,
    stages.pipeline_id,
    stages.id,
    deals.began + stages.place * interval '1 hour'
from deals
inner join stages
    on deals.pipeline = stages.pipeline and stages.place <= 3
