-- The counts of stage_conversion.sql for a single pair of stages, and the quartiles of the time from entry to conversion.
--
-- $1 tenant_id uuid, $2 pipeline_id uuid, $3 period_start timestamptz, $4 period_end timestamptz, $5 from_stage_id uuid,
-- $6 to_stage_id uuid. `quartiles`: seconds; null where no deal has converted.
with first_entries as (
    select
        deal_id,
        pipeline_stage_id as stage_id,
        min(entered_at) as entered_at
    from dyno_crm.deal_pipeline_stage_state
    where
        tenant_id = $1
        and pipeline_id = $2
        and entered_at >= $3
        and entered_at < $4
        and pipeline_stage_id in ($5, $6)
    group by deal_id, pipeline_stage_id
)

select
    count(*) as entered_count,
    count(converted.deal_id) as converted_count,
    percentile_cont(array[0.25, 0.5, 0.75]) within group (
        order by extract(epoch from converted.entered_at - entered.entered_at)::double precision
    ) as quartiles
from first_entries as entered
left join first_entries as converted
    on
        converted.stage_id = $6
        and entered.deal_id = converted.deal_id
        and entered.entered_at < converted.entered_at
where entered.stage_id = $5
