-- A run and its facts are complete. $1 run_id
update dyno_crm.report_run
set status = 'COMPLETED'
where id = $1
