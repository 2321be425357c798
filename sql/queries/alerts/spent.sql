-- How often each rule has fired in the last 30 days, and the most in a pipeline.
select
    fired.rule,
    sum(fired.times)::bigint as times,
    max(fired.times) as most_in_a_pipeline
from (
    select
        event.rule,
        count(*) as times
    from funnelproof.alert_event as event
    where event.transition = 'fired' and event.at > clock_timestamp() - interval '30 days'
    group by event.rule, event.tenant_id, event.pipeline_id
) as fired
group by fired.rule
