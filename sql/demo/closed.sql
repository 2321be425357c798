-- The last windows that were closed live, each with the latest facts over all pipelines. $1 number of windows
with
closed as (
    select
        time_window.window_name,
        time_window.window_start,
        time_window.window_end,
        time_window.closed_at
    from funnelproof.time_window
    inner join funnelproof.installation on time_window.window_end > installation.installed_at
    where time_window.closed_at is not null
    order by time_window.closed_at desc, time_window.window_end desc, time_window.window_name asc
    limit $1
)

select
    closed.window_name,
    closed.window_start,
    closed.window_end,
    extract(epoch from closed.closed_at - closed.window_end)::double precision as published_after,
    count(distinct fact.run_id) as pipelines,
    sum(fact.entered_count)::bigint as entered,
    sum(fact.converted_count)::bigint as converted,
    min(fact.completeness) as completeness,
    max(fact.revision) as revision
from closed
inner join dyno_crm.stage_conversion_current as fact
    on
        closed.window_name = fact.window_name
        and closed.window_start = fact.window_start
group by closed.window_name, closed.window_start, closed.window_end, closed.closed_at
order by closed.closed_at desc, closed.window_end desc, closed.window_name asc
