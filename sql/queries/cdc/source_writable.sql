-- Raises the error that the CRM's updates would meet with the publications as they are. The statement is planned and
-- not run. The condition is true for no row, and a planner that knew so would leave the partitions out.
explain
update dyno_crm.deal_pipeline_stage_state
set id = id
where current_setting('server_version_num') = ''
