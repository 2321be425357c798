-- The profiles of a partition.
select
    partial.tenant_id::text,
    partial.pipeline_id::text,
    partial.window_name,
    partial.window_start,
    partial.window_end,
    partial.from_stage_id::text,
    partial.to_stage_id::text,
    partial.profile::text
from funnelproof.partial
where
    partial.epoch = $1
    and partial.partition = $2
    and partial.flush >= 0 -- for ix_partial_flush
