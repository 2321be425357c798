-- The labels of tenants and pipelines.
select
    label.kind,
    label.id::text as id,
    label.name
from funnelproof.label
