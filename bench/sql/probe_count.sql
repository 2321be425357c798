-- How many deals of the probing tenant $1 the live view shows in windows of an hour.
select coalesce(sum(entered_count), 0)::bigint
from dyno_crm.stage_conversion_live
where tenant_id = $1 and window_name = 'hour'
