-- The number of alerts in each state: firing, pending, held, silenced.
select
    alert.state,
    count(*) as alerts
from dyno_crm.stage_conversion_alert as alert
group by alert.state
