-- Up to when each window kind is closed; before the installation nothing is its business.
select
    kind.window_name,
    coalesce(
        (
            select max(closed.window_end)
            from funnelproof.time_window as closed
            where closed.window_name = kind.window_name and closed.closed_at is not null
        ),
        installation.installed_at
    ) as closed_until
from unnest($1::text[]) as kind (window_name)
cross join funnelproof.installation
