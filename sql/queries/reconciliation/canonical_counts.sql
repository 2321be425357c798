-- The canonical counts of many windows at once, in one pass over the entries: for each pipeline, window and asked pair of
-- stages with an entry, the counts that canonical/stage_conversion gives. A test holds the two statements equal.
-- $1 to $3: the windows, by tenant; a tenant's windows do not overlap. $4 to $7: the pairs of stages, by pipeline.
-- $8, $9: the start of the first window and the end of the last. $10, $11: only this tenant, pipeline.
with
pair as (
    select *
    from
        unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[])
            as pair (tenant_id, pipeline_id, from_stage_id, to_stage_id)
),

asked as (
    select *
    from
        unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
            as asked (tenant_id, window_start, window_end)
),

span as (
    select
        asked.tenant_id,
        array_agg(asked.window_start order by asked.window_start) as starts,
        array_agg(asked.window_end order by asked.window_start) as ends
    from asked
    group by asked.tenant_id
),

stage_entry as (
    select
        state.tenant_id,
        state.pipeline_id,
        span.starts[width_bucket(state.entered_at, span.starts)] as window_start,
        span.ends[width_bucket(state.entered_at, span.starts)] as window_end,
        state.deal_id,
        state.pipeline_stage_id as stage_id,
        state.entered_at
    from dyno_crm.deal_pipeline_stage_state as state
    inner join span using (tenant_id)
    where
        state.entered_at >= $8::timestamptz
        and state.entered_at < $9::timestamptz
        and ($10::uuid is null or state.tenant_id = $10)
        and ($11::uuid is null or state.pipeline_id = $11)
),

first_entry as materialized (
    select
        stage_entry.tenant_id,
        stage_entry.pipeline_id,
        stage_entry.window_start,
        stage_entry.deal_id,
        stage_entry.stage_id,
        min(stage_entry.entered_at) as entered_at
    from stage_entry
    where stage_entry.entered_at < stage_entry.window_end
    group by
        stage_entry.tenant_id, stage_entry.pipeline_id, stage_entry.window_start, stage_entry.deal_id,
        stage_entry.stage_id
),

counted as (
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
    group by
        entered.tenant_id, entered.pipeline_id, entered.window_start, pair.from_stage_id, pair.to_stage_id
)

select
    counted.tenant_id,
    counted.pipeline_id,
    counted.window_start,
    asked.window_end,
    counted.from_stage_id,
    counted.to_stage_id,
    counted.entered_count,
    counted.converted_count
from counted
inner join asked using (tenant_id, window_start)
