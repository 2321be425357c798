-- The moment of a look: up to where the source is proven, what is in doubt, and the last publication.
select
    installation.epoch,
    prover.source_time,
    prover.source_lsn::text as source_lsn,
    prover.completeness,
    prover.reasons,
    extract(epoch from clock_timestamp() - prover.proven_at)::double precision as proof_age,
    clock_timestamp() as now,
    coalesce((select max(proof.proof_id) from funnelproof.proof), 0) as proof_id
from funnelproof.installation
left join funnelproof.prover on true
