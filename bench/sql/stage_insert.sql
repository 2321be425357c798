-- A stage of a pipeline.
insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, name, display_order)
values ($1, $2, $3, $4, $5)
