-- Resolves doubts that were noted before a reconciliation began. The reconciliation compared every closed window and
-- found them equal. A doubt of the kinds in $2 is resolved only if another log is folded than when the doubt was noted.
-- A dead letter stays: its row may be wrong in the log while the counts are equal. $1 reconciliation_id
with
compared as (
    select reconciliation.started_at
    from funnelproof.reconciliation
    where reconciliation.reconciliation_id = $1
)

update funnelproof.doubt
set
    resolved_at = clock_timestamp(),
    compared_at = compared.started_at,
    reconciliation_id = $1
from compared
where
    doubt.resolved_at is null
    and doubt.last_noted_at < compared.started_at
    and (
        doubt.kind <> all($2::text[])
        or doubt.topic_id is distinct from (
            select epoch.topic_id
            from funnelproof.installation
            inner join funnelproof.epoch using (epoch)
        )
    )
