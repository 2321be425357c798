-- What a correct engine finds for windows of the unit $1 (hour, day, week, month): deals that entered a
-- stage in the window, and how many of them entered the next one later in it.
with stages as (
    select
        id,
        tenant_id,
        pipeline_id,
        lead(id) over (
            partition by pipeline_id
            order by display_order
        ) as next_id
    from dyno_crm.pipeline_stage
),

entries as (
    select
        deal_id,
        pipeline_id,
        pipeline_stage_id as stage_id,
        date_trunc($1, entered_at at time zone 'UTC') at time zone 'UTC' as window_start,
        min(entered_at) as entered_at
    from dyno_crm.deal_pipeline_stage_state
    group by 1, 2, 3, 4
)

select
    $1::text as window_name,
    stages.tenant_id,
    stages.pipeline_id,
    entered.window_start,
    stages.id as from_stage_id,
    stages.next_id as to_stage_id,
    count(*) as entered_count,
    count(converted.deal_id) as converted_count
from entries as entered
inner join stages
    on entered.stage_id = stages.id and entered.pipeline_id = stages.pipeline_id
left join entries as converted
    on
        stages.next_id = converted.stage_id
        and entered.pipeline_id = converted.pipeline_id
        and entered.deal_id = converted.deal_id
        and entered.window_start = converted.window_start
        and entered.entered_at < converted.entered_at
where stages.next_id is not null
group by 2, 3, 4, 5, 6
