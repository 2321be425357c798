-- A pipeline's funnel in the latest open window of a kind. $1 tenant, $2 pipeline, $3 window name
with
live as (
    select
        stage_conversion_live.*,
        max(stage_conversion_live.window_start) over () as latest_start
    from dyno_crm.stage_conversion_live
    where
        stage_conversion_live.tenant_id = $1
        and stage_conversion_live.pipeline_id = $2
        and stage_conversion_live.window_name = $3
)

select
    live.window_start,
    live.window_end,
    live.from_stage,
    live.to_stage,
    live.entered_count,
    live.converted_count,
    live.conversion_rate::double precision as conversion_rate,
    live.as_of,
    clock_timestamp() as looked_at
from live
inner join funnelproof.pipeline_stage as stage on live.from_stage_id = stage.stage_id
where live.window_start = live.latest_start
order by stage.display_order, stage.stage_id
