-- Deletes at most $1 change notes that no revision needs any more: notes of another epoch, and notes that the closer
-- has looked at in a window that does not wait for a revision.
delete from funnelproof.change_note
where
    change_note.ctid = any(array(
        select note.ctid
        from funnelproof.installation
        cross join funnelproof.change_note as note
        left join funnelproof.revision_cursor as cursor
            on note.epoch = cursor.epoch and note.partition = cursor.partition
        left join funnelproof.touched_window as touched
            on
                note.tenant_id = touched.tenant_id
                and note.pipeline_id = touched.pipeline_id
                and note.window_name = touched.window_name
                and note.window_start = touched.window_start
        where
            note.epoch <> installation.epoch
            or (note.flush <= cursor.flush and touched.touched_at is null)
        order by note.flush
        limit $1
    ))
