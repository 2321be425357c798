-- Marks a run as failed. A run that was completed stays completed: the answer to the commit may have been lost.
-- $1 run_id
update dyno_crm.report_run
set status = 'FAILED'
where id = $1 and status = 'RUNNING'
