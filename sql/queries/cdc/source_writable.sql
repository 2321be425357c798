-- Raises the error that the CRM's updates would meet with the publications as they are. Plans, and changes no row.
explain (costs off)
update dyno_crm.deal_pipeline_stage_state
set id = id
where id is null
