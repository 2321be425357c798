-- Up to when each window kind is closed. Before the installation nothing is the closer's business, whatever a backfill
-- has closed. Windows of several timezones may end together and not all be closed, so the next ones are looked for from
-- just before on.
with
closed as (
    select
        known.window_name,
        max(known.window_end) as until
    from funnelproof.time_window as known
    where known.window_name = any($1::text[]) and known.closed_at is not null
    group by known.window_name
)

select
    kind.window_name,
    greatest(closed.until, installation.installed_at) as closed_until,
    greatest(closed.until - interval '1 microsecond', installation.installed_at) as look_from
from unnest($1::text[]) as kind (window_name)
cross join funnelproof.installation
left join closed using (window_name)
