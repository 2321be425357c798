-- Marks a run as complete, in the transaction of the run's facts. $1 run_id
update dyno_crm.report_run
set status = 'COMPLETED'
where id = $1
