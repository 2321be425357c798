-- The alerts that are on, the strongest evidence first.
select alert.*
from dyno_crm.stage_conversion_alert as alert
order by alert.odds desc nulls last, alert.fired_at asc, alert.alert_id asc
