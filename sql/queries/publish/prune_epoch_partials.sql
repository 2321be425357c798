-- Deletes at most $1 counts of a former epoch without positions, the oldest such epoch first.
delete from funnelproof.partial
where
    partial.ctid = any(array(
        select old.ctid
        from funnelproof.partial as old
        where
            old.epoch = (
                select former.epoch
                from funnelproof.installation
                inner join funnelproof.epoch as former on installation.epoch <> former.epoch
                where
                    not exists (
                        select
                        from funnelproof.partition_progress as progress
                        where progress.epoch = former.epoch and progress.source_offset is not null
                    )
                    and exists (
                        select from funnelproof.partial
                        where partial.epoch = former.epoch and partial.flush >= 0
                    )
                order by former.begun_at
                limit 1
            )
            and old.flush >= 0 -- for ix_partial_flush
        order by old.partition, old.flush
        limit $1
    ))
