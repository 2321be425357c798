-- Pipelines of one tenant $1, $2 of them, with $3 stages each.
with
pipeline as (
    select gen_random_uuid() as pipeline_id
    from generate_series(1, $2::integer)
)

insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, name, display_order)
select
    gen_random_uuid(),
    $1::uuid,
    pipeline.pipeline_id,
    'stage ' || stage.number,
    stage.number
from pipeline
cross join generate_series(1, $3::integer) as stage (number)
