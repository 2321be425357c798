-- Deletes at most $4 counts of a sealed window.
delete from funnelproof.partial
where
    partial.ctid = any(array(
        select old.ctid
        from funnelproof.partial as old
        where old.window_name = $1 and old.window_start = $2 and old.window_end = $3
        order by old.tenant_id, old.pipeline_id
        limit $4
    ))
