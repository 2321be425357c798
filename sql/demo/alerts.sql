-- The last verdicts on conversions, newest first. $1 number of verdicts
select
    event.event_id,
    event.transition,
    event.decided_at,
    event.pipeline_id,
    event.from_stage,
    event.to_stage,
    event.entered_count,
    event.converted_count,
    event.expected_count
from dyno_crm.stage_conversion_alert_event as event
where event.kind <> 'health' and event.transition in ('fired', 'resolved', 'retracted')
order by event.decided_at desc, event.event_id desc
limit $1
