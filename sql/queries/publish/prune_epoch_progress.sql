-- Forgets former epochs' progress, once it has no position and none of their counts is left. Not earlier: the counts
-- carry the numbers of its flushes.
with
former as (
    select epoch.epoch
    from funnelproof.installation
    inner join funnelproof.epoch on installation.epoch <> epoch.epoch
    where
        not exists (
            select
            from funnelproof.partition_progress as progress
            where progress.epoch = epoch.epoch and progress.source_offset is not null
        )
        and not exists (select from funnelproof.partial where partial.epoch = epoch.epoch)
),

looks as (
    delete from funnelproof.revision_cursor as cursor
    using former
    where cursor.epoch = former.epoch
)

delete from funnelproof.partition_progress as progress
using former
where progress.epoch = former.epoch
