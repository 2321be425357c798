-- Deletes a former epoch's progress after the positions and the counts of the epoch are gone. The progress stays while
-- counts exist, because the counts carry the progress's flush numbers.
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
        and not exists (
            -- The flush number is for ix_partial_flush.
            select from funnelproof.partial where partial.epoch = epoch.epoch and partial.flush >= 0
        )
),

looks as (
    delete from funnelproof.revision_cursor as cursor
    using former
    where cursor.epoch = former.epoch
)

delete from funnelproof.partition_progress as progress
using former
where progress.epoch = former.epoch
