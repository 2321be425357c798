-- Marks the windows in which a run was published after the last look, and keeps where the look ended. Runs are published
-- under the closer's lock, so the numbers of their proofs are in the order of the commits.
with
published as (
    select
        run.window_name,
        run.window_start,
        run.window_end,
        run.proof_id
    from funnelproof.window_run as run
    where run.proof_id > coalesce((select place.proof_id from funnelproof.comparison_cursor as place), 0)
),

touched as (
    update funnelproof.window_comparison as compared
    set revised_at = clock_timestamp()
    from published
    where
        compared.window_name = published.window_name
        and compared.window_start = published.window_start
        and compared.window_end = published.window_end
)

insert into funnelproof.comparison_cursor as place (proof_id)
select max(published.proof_id)
from published
having max(published.proof_id) is not null
on conflict (singleton) do update set proof_id = greatest(place.proof_id, excluded.proof_id)
