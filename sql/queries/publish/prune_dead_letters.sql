-- Deletes at most $2 published dead letters that a later event of their row resolved longer ago than $1. A dead letter
-- that a reconciliation of a former version resolved stays: the letter remains a doubt for windows that the reconciliation did not compare.
delete from funnelproof.dead_letter
where
    dead_letter.ctid = any(array(
        select letter.ctid
        from funnelproof.dead_letter as letter
        where
            letter.resolved_at < clock_timestamp() - $1::interval
            and letter.published_at is not null
            and letter.compared_at is null
        order by letter.resolved_at
        limit $2
    ))
