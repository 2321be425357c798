-- The best set-based SQL for the counts of every pipeline and window of a kind with whole calendar units in UTC, as
-- `date_trunc` names them. $1: the unit; $2, $3: from when to when.
with
pair as (
    select
        stage.tenant_id,
        stage.pipeline_id,
        stage.id as from_stage_id,
        lead(stage.id) over follows as to_stage_id
    from dyno_crm.pipeline_stage as stage
    window follows as (partition by stage.tenant_id, stage.pipeline_id order by stage.display_order, stage.id)
),

first_entry as materialized (
    select
        state.tenant_id,
        state.pipeline_id,
        date_trunc($1, state.entered_at, 'UTC') as window_start,
        state.deal_id,
        state.pipeline_stage_id as stage_id,
        min(state.entered_at) as entered_at
    from dyno_crm.deal_pipeline_stage_state as state
    where state.entered_at >= $2 and state.entered_at < $3
    group by 1, 2, 3, 4, 5
)

select
    entered.tenant_id,
    entered.pipeline_id,
    entered.window_start,
    pair.from_stage_id,
    pair.to_stage_id,
    count(*) as entered_count,
    count(converted.deal_id) as converted_count
from first_entry as entered
inner join pair
    on
        entered.tenant_id = pair.tenant_id
        and entered.pipeline_id = pair.pipeline_id
        and entered.stage_id = pair.from_stage_id
left join first_entry as converted
    on
        entered.tenant_id = converted.tenant_id
        and entered.pipeline_id = converted.pipeline_id
        and entered.window_start = converted.window_start
        and pair.to_stage_id = converted.stage_id
        and entered.deal_id = converted.deal_id
        and entered.entered_at < converted.entered_at
where pair.to_stage_id is not null
group by 1, 2, 3, 4, 5
