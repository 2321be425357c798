-- The timezones of calendar windows; a tenant's timezones are in the order of their beginning.
select
    timezone.tenant_id::text,
    timezone.since,
    timezone.timezone
from funnelproof.timezone
order by timezone.tenant_id, timezone.since nulls first
