-- The deals behind a count of stage_conversion.sql, a page at a time: the deals that entered the pair's first stage in the
-- period, in the order of their first entries. Every row repeats the pair's counts, and the quartiles of the time from
-- entry to conversion; a page without deals is one row of these alone.
--
-- $1 tenant_id uuid, $2 pipeline_id uuid, $3 period_start timestamptz, $4 period_end timestamptz, $5 from_stage_id uuid,
-- $6 to_stage_id uuid; $7 boolean: only the deals that have converted, only those that have not, null for all;
-- $8 timestamptz, $9 uuid: the last deal of the page before; $10: the most deals of a page. `quartiles`: seconds; null
-- where no deal has converted.
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
),

followed as (
    select
        entered.deal_id,
        entered.entered_at,
        converted.entered_at as converted_at
    from first_entries as entered
    left join first_entries as converted
        on
            converted.stage_id = $6
            and entered.deal_id = converted.deal_id
            and entered.entered_at < converted.entered_at
    where entered.stage_id = $5
),

page as (
    select followed.*
    from followed
    where
        ($7::boolean is null or $7 = (followed.converted_at is not null))
        and (followed.entered_at, followed.deal_id) > ($8::timestamptz, $9::uuid)
    order by followed.entered_at, followed.deal_id
    limit $10
),

totals as (
    select
        count(*) as entered_count,
        count(followed.converted_at) as converted_count,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (
            order by extract(epoch from followed.converted_at - followed.entered_at)::double precision
        ) as quartiles
    from followed
)

select
    totals.entered_count,
    totals.converted_count,
    totals.quartiles,
    page.deal_id,
    page.entered_at,
    page.converted_at
from totals
left join page on true
order by page.entered_at, page.deal_id
