-- Touches every window that an earlier epoch has closed, at the first look of a new epoch ($1). Such a window may have
-- no counts any more, so a search for changed counts alone would miss the window.
insert into funnelproof.touched_window (
    tenant_id, pipeline_id, window_name, window_start, window_end, touched_at
)
select
    run.tenant_id,
    run.pipeline_id,
    run.window_name,
    run.window_start,
    run.window_end,
    clock_timestamp()
from funnelproof.latest_run as run
inner join funnelproof.epoch as present on present.epoch = $1 and run.window_name = any(present.windows)
where
    run.epoch <> $1
    and not exists (select from funnelproof.revision_cursor as cursor where cursor.epoch = $1)
on conflict do nothing
