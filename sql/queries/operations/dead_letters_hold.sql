-- The runs that were published as estimates since an instant, by kind of window, and the windows that are open now.
-- $1 instant
with
kind as (
    select
        open_window.window_name,
        count(distinct open_window.window_start) as open_windows
    from funnelproof.open_window
    group by open_window.window_name
),

estimated as (
    select
        run.window_name,
        count(*) as runs
    from funnelproof.window_run as run
    inner join funnelproof.proof using (proof_id)
    where proof.proven_at >= $1 and proof.completeness = 'estimated'
    group by run.window_name
)

select
    kind.window_name,
    coalesce(estimated.runs, 0) as estimated_runs,
    kind.open_windows
from kind
left join estimated using (window_name)
order by kind.window_name
