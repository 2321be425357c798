-- The simulated CRM: rows are deleted. $1 row ids
delete from dyno_crm.deal_pipeline_stage_state
where id = any($1::uuid[])
