-- Replaces the copy of the pipelines' stages by the stages read right after the marker.
with
read_stage as (
    select *
    from unnest($1::text[]::uuid[], $2::text[]::uuid[], $3::text[]::uuid[], $4::text[], $5::integer[])
        as stage (stage_id, tenant_id, pipeline_id, name, display_order)
),

gone as (
    delete from funnelproof.pipeline_stage as known
    where not exists (select from read_stage where read_stage.stage_id = known.stage_id)
)

insert into funnelproof.pipeline_stage as known (stage_id, tenant_id, pipeline_id, name, display_order)
select read_stage.*
from read_stage
left join funnelproof.pipeline_stage as same using (stage_id, tenant_id, pipeline_id, display_order)
where same.stage_id is null or same.name is distinct from read_stage.name
on conflict (stage_id) do update
    set
        tenant_id = excluded.tenant_id,
        pipeline_id = excluded.pipeline_id,
        name = excluded.name,
        display_order = excluded.display_order
