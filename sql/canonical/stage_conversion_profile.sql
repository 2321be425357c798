-- The profile of each pair of stages: the counts of stage_conversion.sql, by the ages at which deals entered and
-- converted. The definition to which every other profile is held.
--
-- $1 tenant_id uuid, $2 pipeline_id uuid, $3 period_start timestamptz, $4 period_end timestamptz,
-- $5 stage_pairs jsonb: array of {"from_stage_id", "to_stage_id"}.
--
-- The period is cut into 12 buckets of equal length, numbered from 1 as the elements of an array are. entered[i]
-- counts the deals whose first entry into the pair's first stage lies in bucket i. converted[i][j] counts
-- those of them whose first entry into the second stage is strictly later, and lies in bucket j.
with pairs as (
    select distinct
        given.from_stage_id,
        given.to_stage_id
    -- Cast by way of text: a session's own codec for jsonb then has no effect.
    from jsonb_to_recordset($5::text::jsonb) as given (from_stage_id uuid, to_stage_id uuid)
),

first_entries as (
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
    group by deal_id, pipeline_stage_id
),

aged as (
    select
        deal_id,
        stage_id,
        entered_at,
        -- Without a fraction of its own, `div` cuts exactly: an entry on a boundary lies in the later bucket.
        1 + div(12 * extract(epoch from entered_at - $3), extract(epoch from $4 - $3)) as bucket
    from first_entries
),

deals as (
    select
        pairs.from_stage_id,
        pairs.to_stage_id,
        entered.bucket as entered_in,
        converted.bucket as converted_in
    from pairs
    left join aged as entered
        on pairs.from_stage_id = entered.stage_id
    left join aged as converted
        on
            pairs.to_stage_id = converted.stage_id
            and entered.deal_id = converted.deal_id
            and entered.entered_at < converted.entered_at
)

select
    pairs.from_stage_id,
    pairs.to_stage_id,
    array(
        select
            (
                select count(*)
                from deals
                where
                    deals.from_stage_id = pairs.from_stage_id
                    and deals.to_stage_id = pairs.to_stage_id
                    and deals.entered_in = i.bucket
            )
        from generate_series(1, 12) as i (bucket)
        order by i.bucket
    ) as entered,
    array(
        select
            array(
                select
                    (
                        select count(*)
                        from deals
                        where
                            deals.from_stage_id = pairs.from_stage_id
                            and deals.to_stage_id = pairs.to_stage_id
                            and deals.entered_in = i.bucket
                            and deals.converted_in = j.bucket
                    )
                from generate_series(1, 12) as j (bucket)
                order by j.bucket
            )
        from generate_series(1, 12) as i (bucket)
        order by i.bucket
    ) as converted
from pairs
order by pairs.from_stage_id, pairs.to_stage_id
