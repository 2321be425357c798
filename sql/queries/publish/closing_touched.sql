-- Touches the closed windows whose partials changed since the last look, and keeps the flush at which the look ended.
with
progress as (
    select
        progress.partition,
        progress.flushes,
        coalesce(cursor.flush, 0) as looked_until
    from funnelproof.partition_progress as progress
    left join funnelproof.revision_cursor as cursor using (epoch, partition)
    where progress.epoch = $1
),

touched as (
    insert into funnelproof.touched_window (
        tenant_id, pipeline_id, window_name, window_start, window_end, touched_at
    )
    select distinct
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_name,
        partial.window_start,
        partial.window_end,
        clock_timestamp()
    from progress
    inner join funnelproof.partial
        on
            partial.epoch = $1
            and progress.partition = partial.partition
            and progress.looked_until < partial.flush
            and partial.flush >= 0 -- for ix_partial_flush
    inner join funnelproof.time_window using (window_name, window_start, window_end)
    where
        progress.flushes > progress.looked_until
        and time_window.closed_at is not null
    on conflict do nothing
)

insert into funnelproof.revision_cursor as cursor (epoch, partition, flush)
select
    $1,
    progress.partition,
    progress.flushes
from progress
on conflict (
    epoch, partition) do update set flush = excluded.flush
where excluded.flush > cursor.flush
