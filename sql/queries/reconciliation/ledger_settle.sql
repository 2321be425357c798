-- Resolves the doubt about the last difference once no window of the ledger differs, and every window that was closed
-- before the doubt has been compared. $1: the reconciliation that found the last window equal
update funnelproof.doubt
set
    resolved_at = clock_timestamp(),
    compared_at = reconciliation.started_at,
    reconciliation_id = $1
from funnelproof.reconciliation
where
    reconciliation.reconciliation_id = $1
    and doubt.kind = 'reconciliation'
    and doubt.resolved_at is null
    and doubt.last_noted_at < reconciliation.started_at
    and not exists (
        select from funnelproof.time_window as closed
        left join funnelproof.window_comparison as compared using (window_name, window_start, window_end)
        where
            closed.closed_at is not null
            and not exists (
                select from funnelproof.sealed
                where sealed.window_name = closed.window_name and closed.window_end <= sealed.sealed_until
            )
            and (
                compared.different_since is not null
                or (compared.compared_at is null and closed.closed_at <= doubt.last_noted_at)
            )
    )
