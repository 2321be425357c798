-- A run has failed, unless its completion was committed before we were told. $1 run_id
update dyno_crm.report_run
set status = 'FAILED'
where id = $1 and status = 'RUNNING'
