-- The runs of the batch with facts unlike the canonical counts. A pair that is missing on a side is a difference, too.
with
expected as (
    select
        run.run_id,
        pair.from_stage_id,
        pair.to_stage_id,
        coalesce(entry.entered_count, 0) as entered_count,
        coalesce(entry.converted_count, 0) as converted_count
    from sifted_run as run
    inner join sifted_pair as pair using (pair_set)
    left join sifted_count as entry
        on
            run.tenant_id = entry.tenant_id
            and run.pipeline_id = entry.pipeline_id
            and run.window_start = entry.window_start
            and run.window_end = entry.window_end
            and pair.from_stage_id = entry.from_stage_id
            and pair.to_stage_id = entry.to_stage_id
),

published as (
    select
        fact.run_id,
        fact.from_stage_id,
        fact.to_stage_id,
        fact.entered_count,
        fact.converted_count
    from dyno_crm.report_stage_conversion_fact as fact
    inner join sifted_run using (run_id)
),

different as (
    select distinct coalesce(expected.run_id, published.run_id) as run_id
    from expected
    full join published
        on
            expected.run_id = published.run_id
            and expected.from_stage_id = published.from_stage_id
            and expected.to_stage_id = published.to_stage_id
    where
        (expected.entered_count, expected.converted_count)
        is distinct from (published.entered_count, published.converted_count)
)

select
    run.tenant_id,
    run.pipeline_id,
    run.window_start,
    run.window_end
from different
inner join sifted_run as run using (run_id)
