-- How many seconds after its end a window of kind $1 that starts at $2 shows facts: now; null while it shows none.
select extract(epoch from clock_timestamp() - max(facts.window_end))::float8 as seconds
from dyno_crm.stage_conversion_current as facts
where facts.window_name = $1 and facts.window_start = $2
