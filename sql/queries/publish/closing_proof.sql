-- Keeps the evidence that runs refer to.
insert into funnelproof.proof (
    marker_id, source_time, source_lsn, snapshot, system_identifier, timeline, needed, positions,
    completeness, reasons, open_transactions, marker_seconds, progress_seconds
)
select
    $1,
    $2,
    $3,
    $4,
    $5,
    $6,
    $7,
    coalesce(jsonb_object_agg(progress.partition, progress.source_offset), '{}'),
    $8,
    $9,
    $10,
    $11,
    $12
from funnelproof.partition_progress as progress
where progress.epoch = $13
returning proof_id
