-- The canonical counts of many runs at once, in one pass over the entries. Each run gets the counts that
-- canonical/stage_conversion gives for the run's window and pairs; a test holds the two statements equal.
-- A pipeline that has entries in a window but no run gets a row without a pair.
-- $1 to $3: the compared windows, by tenant; a tenant's windows do not overlap. $4 to $8: the runs, a row for each
-- pair of a run. $9, $10: the start of the first window and the end of the last. $11, $12: only this tenant, pipeline.
with
pair as (
    select *
    from
        unnest($4::uuid[], $5::uuid[], $6::timestamptz[], $7::uuid[], $8::uuid[])
            as pair (tenant_id, pipeline_id, window_start, from_stage_id, to_stage_id)
),

span as (
    select
        asked.tenant_id,
        array_agg(asked.window_start order by asked.window_start) as starts,
        array_agg(asked.window_end order by asked.window_start) as ends
    from
        unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
            as asked (tenant_id, window_start, window_end)
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
        state.entered_at >= $9
        and state.entered_at < $10
        and ($11::uuid is null or state.tenant_id = $11)
        and ($12::uuid is null or state.pipeline_id = $12)
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

unreported as (
    select distinct
        first_entry.tenant_id,
        first_entry.pipeline_id,
        first_entry.window_start
    from first_entry
    left join pair using (tenant_id, pipeline_id, window_start)
    where pair.from_stage_id is null
)

select
    pair.tenant_id,
    pair.pipeline_id,
    pair.window_start,
    pair.from_stage_id,
    pair.to_stage_id,
    count(entered.deal_id) as entered_count,
    count(converted.deal_id) as converted_count
from pair
left join first_entry as entered
    on
        pair.tenant_id = entered.tenant_id
        and pair.pipeline_id = entered.pipeline_id
        and pair.window_start = entered.window_start
        and pair.from_stage_id = entered.stage_id
left join first_entry as converted
    on
        pair.tenant_id = converted.tenant_id
        and pair.pipeline_id = converted.pipeline_id
        and pair.window_start = converted.window_start
        and pair.to_stage_id = converted.stage_id
        and entered.deal_id = converted.deal_id
        and entered.entered_at < converted.entered_at
group by pair.tenant_id, pair.pipeline_id, pair.window_start, pair.from_stage_id, pair.to_stage_id
union all
select
    unreported.tenant_id,
    unreported.pipeline_id,
    unreported.window_start,
    null,
    null,
    null,
    null
from unreported
