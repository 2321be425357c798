-- How many entries there are, and how many were corrected.
select
    count(*) as entries,
    count(entry.exited_at) as corrected
from dyno_crm.deal_pipeline_stage_state as entry
