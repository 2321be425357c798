-- Notes the snapshots met in the log. A second snapshot, or a snapshot in a log with proofs, is a doubt: rows deleted
-- before the snapshot and after the log's last change have no delete event. Example: the connector stops at LSN 100, a
-- row is deleted at 120, a new connector takes a snapshot at 150. The log still has the row.
with
fresh as (
    insert into funnelproof.snapshot (topic_id, source_lsn)
    select
        $1,
        lsn.lsn
    from unnest($2::pg_lsn[]) as lsn (lsn)
    on conflict do nothing
    returning snapshot.source_lsn
),

known as (
    select snapshot.topic_id from funnelproof.snapshot
    union all
    select followed.topic_id from funnelproof.followed
),

found as (
    select
        max(fresh.source_lsn) as source_lsn,
        count(*) as snapshots
    from fresh
)

select
    funnelproof.note_doubt(
        'snapshot',
        format(
            'a snapshot at %s follows earlier changes in the log: deleted rows may still count',
            found.source_lsn
        )
    )
from found
where
    found.snapshots > 1
    or (found.snapshots = 1 and exists (select from known where known.topic_id = $1))
