-- How many seconds after its end $3 a window of kind $1 that starts at $2 shows facts: now; no row while it shows none.
select extract(epoch from clock_timestamp() - $3::timestamptz)::float8 as seconds
where exists (
    select
    from dyno_crm.stage_conversion_current as facts
    where facts.window_name = $1 and facts.window_start = $2
)
