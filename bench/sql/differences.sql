-- How many rows of the result are missing, superfluous or wrong.
with found as (
    select *
    from bench.result
    where entered_count > 0
)

select count(*)
from bench.expected as expected
full join found
    on
        expected.window_name = found.window_name
        and expected.tenant_id = found.tenant_id
        and expected.pipeline_id = found.pipeline_id
        and expected.window_start = found.window_start
        and expected.from_stage_id = found.from_stage_id
        and expected.to_stage_id = found.to_stage_id
where
    (expected.entered_count, expected.converted_count)
    is distinct from (found.entered_count, found.converted_count)
