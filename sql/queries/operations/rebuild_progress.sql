-- How far the workers are with a log: folded records, whether the log is the one that is folded, whether something was
-- proven with the log after an instant, and the closed windows that wait for a revision. $1 topic id, $2 instant
select
    coalesce(epoch.topic_id = $1, false) as is_folded,
    coalesce(
        (
            select sum(progress.source_offset)
            from funnelproof.partition_progress as progress
            where progress.epoch = installation.epoch and epoch.topic_id = $1
        ),
        0
    )::bigint as folded,
    coalesce(
        (
            select prover.source_time > $2 and followed.topic_id = $1 and epoch.topic_id = $1
            from funnelproof.prover
            cross join funnelproof.followed
        ),
        false
    ) as is_proven,
    (select count(*) from funnelproof.touched_window) as revisions
from funnelproof.installation
left join funnelproof.epoch using (epoch)
