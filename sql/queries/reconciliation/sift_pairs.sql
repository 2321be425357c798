-- The pairs of stages that the canonical SQL is to count: of the batch's runs, and the present ones.
-- $1 tenant, $2 pipeline
select
    pair.tenant_id,
    pair.pipeline_id,
    pair.from_stage_id,
    pair.to_stage_id
from sifted_pair as pair
union
select
    pair.tenant_id,
    pair.pipeline_id,
    pair.from_stage_id,
    pair.to_stage_id
from funnelproof.stage_pair as pair
where ($1::uuid is null or pair.tenant_id = $1) and ($2::uuid is null or pair.pipeline_id = $2)
