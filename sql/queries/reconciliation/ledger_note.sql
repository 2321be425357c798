-- Notes a comparison in the ledger. $1: the reconciliation. $2 to $4: windows by kind and start, each with the outcome.
-- $5: only windows that end by $5.
insert into funnelproof.window_comparison as known (
    window_name, window_start, window_end, compared_at, outcome, reconciliation_id, different_since
)
select
    closed.window_name,
    closed.window_start,
    closed.window_end,
    reconciliation.started_at,
    compared.outcome,
    reconciliation.reconciliation_id,
    case when compared.outcome = 'different' then reconciliation.started_at end
from unnest($2::text[], $3::timestamptz[], $4::text[]) as compared (window_name, window_start, outcome)
inner join funnelproof.time_window as closed using (window_name, window_start)
inner join funnelproof.reconciliation on reconciliation.reconciliation_id = $1
where
    closed.closed_at is not null
    and ($5::timestamptz is null or closed.window_end <= $5)
on conflict (window_name, window_start, window_end) do update
    set
        compared_at = excluded.compared_at,
        outcome = excluded.outcome,
        reconciliation_id = excluded.reconciliation_id,
        comparisons = known.comparisons + 1,
        different_since = case excluded.outcome
            when 'equal' then null
            when 'different' then coalesce(known.different_since, excluded.different_since)
            else known.different_since
        end
    where excluded.compared_at >= known.compared_at
