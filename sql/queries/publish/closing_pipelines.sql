-- The pipelines that have anything to report on.
select distinct
    pair.tenant_id::text,
    pair.pipeline_id::text
from funnelproof.stage_pair as pair
