-- True if every window that ended by $1 is closed, and no closed window waits for a revision.
with
overdue as (
    select time_window.window_start
    from funnelproof.time_window
    inner join funnelproof.installation on time_window.window_end > installation.installed_at
    where time_window.window_end <= $1 and time_window.closed_at is null
),

unseen_change as (
    select partial.window_start
    from funnelproof.installation
    inner join funnelproof.revision_cursor as looked on installation.epoch = looked.epoch
    inner join funnelproof.partial
        on
            looked.epoch = partial.epoch
            and looked.partition = partial.partition
            and looked.flush < partial.flush
    inner join funnelproof.time_window
        on
            partial.window_name = time_window.window_name
            and partial.window_start = time_window.window_start
            and partial.window_end = time_window.window_end
    where time_window.closed_at is not null
)

select
    prover.source_time >= $1
    and not exists (select 1 from overdue)
    and not exists (select 1 from funnelproof.touched_window)
    and not exists (select 1 from unseen_change) as settled
from funnelproof.prover
