-- Deletes at most $2 reconciliations older than $1, with their differences. The last finished reconciliation stays.
delete from funnelproof.reconciliation
where
    reconciliation.reconciliation_id in (
        select old.reconciliation_id
        from funnelproof.reconciliation as old
        where
            old.started_at < clock_timestamp() - $1::interval
            and old.reconciliation_id < (
                select max(last_one.reconciliation_id)
                from funnelproof.reconciliation as last_one
                where last_one.finished_at is not null
            )
        order by old.reconciliation_id
        limit $2
    )
