-- The oldest closed window that is past the retention of zero rows, and may still have zero rows.
select
    closed.window_name,
    closed.window_start,
    closed.window_end
from unnest($1::text[], $2::interval[]) as kind (window_name, retention)
cross join funnelproof.prover
inner join funnelproof.time_window as closed
    on
        kind.window_name = closed.window_name
        and prover.source_time - kind.retention >= closed.window_end
where closed.closed_at is not null and not closed.zeros_pruned
order by closed.window_end
limit 1
