-- The number of verdicts on conversions: alerts that fired, were resolved and were retracted.
select
    count(*) filter (where event.transition = 'fired') as fired,
    count(*) filter (where event.transition = 'resolved') as resolved,
    count(*) filter (where event.transition = 'retracted') as retracted
from dyno_crm.stage_conversion_alert_event as event
where event.kind <> 'health'
