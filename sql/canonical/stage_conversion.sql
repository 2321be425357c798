-- Stage conversion of a pipeline in a period: the definition to which every other count is held.
--
-- $1 tenant_id uuid, $2 pipeline_id uuid, $3 period_start timestamptz, $4 period_end timestamptz,
-- $5 stage_pairs jsonb: array of {"from_stage_id", "to_stage_id"}; null or empty for every stage
-- with its successor.
--
-- A deal has entered a stage when the deal has an entry in [period_start, period_end). A deal has
-- converted when its first entry into the pair's second stage is strictly later than its first
-- entry into the pair's first stage.
with pipeline_stages as (
    select
        id,
        display_order
    from dyno_crm.pipeline_stage
    where tenant_id = $1 and pipeline_id = $2
),

stage_entries as (
    select
        deal_id,
        pipeline_stage_id as stage_id,
        entered_at
    from dyno_crm.deal_pipeline_stage_state
    where
        tenant_id = $1
        and pipeline_id = $2
        and entered_at >= $3
        and entered_at < $4
),

given_pairs as (
    select distinct
        given.from_stage_id,
        given.to_stage_id
    -- Cast by way of text: a session's own codec for jsonb then has no effect.
    from jsonb_to_recordset($5::text::jsonb) as given (from_stage_id uuid, to_stage_id uuid)
),

consecutive_pairs as (
    select
        id as from_stage_id,
        lead(id) over (order by display_order, id) as to_stage_id
    from pipeline_stages
),

pairs as (
    select
        from_stage_id,
        to_stage_id
    from given_pairs
    union all
    select
        from_stage_id,
        to_stage_id
    from consecutive_pairs
    where to_stage_id is not null and not exists (select from given_pairs)
),

first_entries as (
    select
        deal_id,
        stage_id,
        min(entered_at) as entered_at
    from stage_entries
    group by deal_id, stage_id
),

conversions as (
    select
        pairs.from_stage_id,
        pairs.to_stage_id,
        count(entered.deal_id) as entered_count,
        count(converted.deal_id) as converted_count
    from pairs
    left join first_entries as entered
        on pairs.from_stage_id = entered.stage_id
    left join first_entries as converted
        on
            pairs.to_stage_id = converted.stage_id
            and entered.deal_id = converted.deal_id
            and entered.entered_at < converted.entered_at
    group by pairs.from_stage_id, pairs.to_stage_id
)

select
    conversions.from_stage_id,
    conversions.to_stage_id,
    conversions.entered_count,
    conversions.converted_count,
    case
        when conversions.entered_count > 0
            then round(conversions.converted_count::numeric / conversions.entered_count, 4)
        else 0
    end as conversion_rate
from conversions
left join pipeline_stages as from_stage on conversions.from_stage_id = from_stage.id
left join pipeline_stages as to_stage on conversions.to_stage_id = to_stage.id
order by
    from_stage.display_order,
    from_stage.id,
    to_stage.display_order,
    to_stage.id
