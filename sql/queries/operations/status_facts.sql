-- The installation's state in the report database: the last proof, partitions, counts of windows and revisions, seals,
-- dead letters, unpublished events, labels.
select
    installation.instance,
    installation.installed_at,
    prover.worker as prover,
    prover.source_time as proven_until,
    prover.proven_at,
    prover.source_lsn::text as proven_lsn,
    prover.completeness,
    prover.reasons,
    prover.open_transactions,
    prover.barrier_seconds,
    prover.marker_seconds,
    prover.progress_seconds,
    prover.publish_seconds,
    (
        select
            coalesce(
                jsonb_agg(
                    jsonb_build_object(
                        'partition', progress.partition,
                        'source_offset', progress.source_offset,
                        'claimed', progress.claimed,
                        'worker', progress.worker,
                        'flushed_at', progress.flushed_at,
                        'flushed_ago', extract(epoch from clock_timestamp() - progress.flushed_at)
                    )
                    order by progress.partition
                ),
                '[]'
            )
        from funnelproof.partition_progress as progress
        where progress.epoch = installation.epoch
    ) as partitions,
    (select count(*) from funnelproof.time_window where time_window.closed_at is not null) as closed_windows,
    (select count(*) from funnelproof.open_window) as open_windows,
    (select count(*) from funnelproof.window_run where window_run.revision > 1) as revisions,
    (select count(*) from funnelproof.touched_window) as pending_revisions,
    (
        select
            coalesce(
                jsonb_agg(
                    jsonb_build_object(
                        'window', sealed.window_name,
                        'sealed_until', sealed.sealed_until,
                        'ignored_changes', sealed.ignored_changes,
                        'last_ignored_at', sealed.last_ignored_at
                    )
                    order by sealed.window_name
                ),
                '[]'
            )
        from funnelproof.sealed
    ) as sealed,
    (
        select count(*)
        from funnelproof.dead_letter as letter
        inner join funnelproof.epoch using (topic_id)
        where letter.resolved_at is null and epoch.epoch = installation.epoch
    ) as dead_letters,
    (select count(*) from funnelproof.outbox) as unpublished_events,
    (
        select outbox.recorded_at
        from funnelproof.outbox
        order by outbox.event_id
        limit 1
    ) as unpublished_since,
    (select count(*) from funnelproof.label) as labels,
    label_look.trouble as labels_trouble,
    clock_timestamp() as now
from funnelproof.installation
left join funnelproof.prover on true
left join funnelproof.label_look on true
