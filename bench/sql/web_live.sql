-- The live view of the newest open window of the kind $3 of a pipeline.
select
    live.window_start,
    live.window_end,
    live.from_stage_id,
    live.to_stage_id,
    live.entered_count,
    live.converted_count
from dyno_crm.stage_conversion_live as live
where
    live.tenant_id = $1
    and live.pipeline_id = $2
    and live.window_name = $3
    and live.window_start = (
        select max(newest.window_start)
        from dyno_crm.stage_conversion_live as newest
        where
            newest.tenant_id = $1
            and newest.pipeline_id = $2
            and newest.window_name = $3
            and newest.window_start <= clock_timestamp()
    )
