-- Keeps the prover's last tick. A slow tick that ends after a later tick changes nothing.
insert into funnelproof.prover as prover (
    worker, source_time, source_lsn, completeness, reasons, open_transactions,
    barrier_seconds, marker_seconds, progress_seconds, proven_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
on conflict (singleton) do update
    set
        worker = excluded.worker,
        source_time = excluded.source_time,
        source_lsn = excluded.source_lsn,
        completeness = excluded.completeness,
        reasons = excluded.reasons,
        open_transactions = excluded.open_transactions,
        barrier_seconds = excluded.barrier_seconds,
        marker_seconds = excluded.marker_seconds,
        progress_seconds = excluded.progress_seconds,
        proven_at = excluded.proven_at
    where excluded.source_time >= prover.source_time
returning singleton
