-- The ledger in a few numbers: closed windows, those never compared, the age of the oldest comparison; windows that
-- differ, and for how long the first; for how long the first window waits that was never compared, or revised since.
-- Ages in seconds.
select
    count(*) as windows,
    count(*) filter (where compared.compared_at is null) as never_compared,
    extract(epoch from clock_timestamp() - min(compared.compared_at))::double precision as oldest_age,
    count(compared.different_since) as different,
    extract(epoch from clock_timestamp() - min(compared.different_since))::double precision as different_age,
    extract(
        epoch from clock_timestamp() - min(
            case
                when compared.compared_at is null then closed.closed_at
                when compared.revised_at >= compared.compared_at then compared.revised_at
            end
        )
    )::double precision as uncompared_age
from funnelproof.time_window as closed
left join funnelproof.window_comparison as compared using (window_name, window_start, window_end)
where
    closed.closed_at is not null
    and not exists (
        select from funnelproof.sealed
        where sealed.window_name = closed.window_name and closed.window_end <= sealed.sealed_until
    )
