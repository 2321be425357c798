-- Deletes some dead letters that were resolved long ago and are published.
delete from funnelproof.dead_letter
where
    dead_letter.ctid = any(array(
        select letter.ctid
        from funnelproof.dead_letter as letter
        where
            letter.resolved_at < clock_timestamp() - $1::interval
            and letter.published_at is not null
        order by letter.resolved_at
        limit $2
    ))
