-- Deletes some dead letters that a later event of their row has resolved long ago, and that are published. Those that a
-- reconciliation has resolved stay: of what it did not compare they remain a doubt.
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
