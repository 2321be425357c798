-- Moves the entries $1 by up to ten seconds back in time.
update dyno_crm.deal_pipeline_stage_state as entry
set entered_at = entry.entered_at - random() * interval '10 s', exited_at = clock_timestamp()
where entry.id = any($1::uuid[])
