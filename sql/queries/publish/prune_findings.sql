-- Deletes at most $2 findings that are older than $1, or were resolved before.
delete from funnelproof.finding
where
    finding.finding_id in (
        select old.finding_id
        from funnelproof.finding as old
        where coalesce(old.resolved_at, old.found_at) < clock_timestamp() - $1::interval
        order by coalesce(old.resolved_at, old.found_at)
        limit $2
    )
