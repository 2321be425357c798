-- Keeps the configured pairs of stages. $1 the pairs' digest (null: no pairs), $2 tenants, $3 pipelines,
-- $4 stages from, $5 stages to
with
known as (
    update funnelproof.installation
    set configured_pairs = $1
)

insert into funnelproof.configured_pair (tenant_id, pipeline_id, from_stage_id, to_stage_id)
select *
from unnest($2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::uuid[], $5::text[]::uuid[])
