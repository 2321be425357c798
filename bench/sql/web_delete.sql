-- Deletes the entries $1.
delete from dyno_crm.deal_pipeline_stage_state as entry
where entry.id = any($1::uuid[])
