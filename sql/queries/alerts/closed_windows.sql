-- Closed windows of a kind and tiling that start after an instant, the oldest first; is_estimated: counts of the window
-- are not proven. $1 kind, $2 tiling, $3 instant
select
    known.window_start,
    known.window_end,
    exists(
        select
        from funnelproof.latest_run as run
        inner join funnelproof.proof using (proof_id)
        left join funnelproof.tenant_tiling as own on run.tenant_id = own.tenant_id
        where
            run.window_name = known.window_name
            and run.window_start = known.window_start
            and run.window_end = known.window_end
            and coalesce(own.tiling, '') = $2
            and proof.completeness = 'estimated'
    ) as is_estimated
from funnelproof.time_window as known
where
    known.window_name = $1
    and ($2 = any(known.tilings) or (known.tilings = '{}' and $2 = ''))
    and known.closed_at is not null
    and known.window_start > $3
order by known.window_start
