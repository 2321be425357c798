-- Deletes markers that were seen an hour ago or intended an hour ago without an emission. The first seen marker stays.
-- Also deletes proofs of more than an hour ago that no run refers to. $1 the marker before which markers are deleted
with
old_proof as (
    delete from funnelproof.proof
    where
        proof.proven_at < clock_timestamp() - interval '1 hour'
        and not exists (select from funnelproof.window_run as run where run.proof_id = proof.proof_id)
)

delete from funnelproof.marker
where
    case when marker.emitted_lsn is null then marker.intended_at else marker.seen_at end
    < clock_timestamp() - interval '1 hour'
    and marker.marker_id < $1
    and exists (
        select
        from funnelproof.marker as earlier
        where earlier.seen_at is not null and earlier.marker_id < marker.marker_id
    )
