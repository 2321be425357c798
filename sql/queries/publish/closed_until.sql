-- The instant up to which each window kind is closed, at least the instant of the installation: the closer leaves
-- earlier windows to the backfill. Windows of several timezones may end together while only some of them are closed.
-- Therefore the search for the next windows begins a microsecond before, at `look_from`.
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
