-- The entries that the live view has of all days of the tenant $1 with one pair of stages.
select coalesce(sum(live.entered_count), 0)::bigint as entered
from dyno_crm.stage_conversion_live as live
where live.tenant_id = $1 and live.window_name = 'day'
