-- The timezones of calendar windows, in the order in which they came.
select
    timezone.tenant_id::text,
    timezone.since,
    timezone.timezone
from funnelproof.timezone
order by timezone.tenant_id, timezone.since nulls first
