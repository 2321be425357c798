-- The pipelines that have pairs of stages.
select distinct
    pair.tenant_id::text,
    pair.pipeline_id::text
from funnelproof.stage_pair as pair
