-- The last revised pairs of stages with their counts before and after. $1 number of pairs
select
    revision.window_name,
    revision.window_start,
    revision.pipeline_id,
    revision.from_stage,
    revision.to_stage,
    revision.revision,
    revision.entered_before,
    revision.entered_after,
    revision.converted_before,
    revision.converted_after,
    revision.causes
from dyno_crm.stage_conversion_revisions as revision
order by revision.revised_at desc, revision.window_start desc, revision.from_stage asc
limit $1
