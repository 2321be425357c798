-- Moves the seal of window kinds forward to their retention, by the source's clock. The seal does not move beyond
--   the last microsecond before the end of the last closed window: a window that ends together with it may be open;
--   the start of the first window that waits for a revision, or that was changed since the closer's last look;
--   the end of window number $3, counted from the oldest window as 0: a single call seals a bounded number of windows.
with
kind as (
    select *
    from unnest($1::text[], $2::interval[]) as kind (window_name, retention)
),

unseen as (
    select
        partial.window_name,
        min(partial.window_start) as window_start
    from funnelproof.installation
    inner join funnelproof.partition_progress as progress using (epoch)
    left join funnelproof.revision_cursor as cursor using (epoch, partition)
    inner join funnelproof.partial
        on
            progress.epoch = partial.epoch
            and progress.partition = partial.partition
            and coalesce(cursor.flush, 0) < partial.flush
            and partial.flush >= 0 -- for ix_partial_flush
    group by partial.window_name
),

pending as (
    select
        touched.window_name,
        min(touched.window_start) as window_start
    from funnelproof.touched_window as touched
    group by touched.window_name
),

bound as (
    select
        kind.window_name,
        least(
            prover.source_time - kind.retention,
            greatest(
                installation.installed_at,
                (
                    select max(closed.window_end) - interval '1 microsecond'
                    from funnelproof.time_window as closed
                    where closed.window_name = kind.window_name and closed.closed_at is not null
                )
            ),
            unseen.window_start,
            pending.window_start,
            (
                select known.window_end
                from funnelproof.time_window as known
                where known.window_name = kind.window_name
                order by known.window_end
                limit 1 offset $3
            )
        ) as sealed_until
    from kind
    cross join funnelproof.installation
    cross join funnelproof.prover
    left join unseen using (window_name)
    left join pending using (window_name)
    where exists (select from funnelproof.revision_cursor as cursor where cursor.epoch = installation.epoch)
)

insert into funnelproof.sealed as sealed (window_name, sealed_until)
select
    bound.window_name,
    bound.sealed_until
from bound
on conflict (window_name) do update
    set sealed_until = excluded.sealed_until
    where excluded.sealed_until > sealed.sealed_until
