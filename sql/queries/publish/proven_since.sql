-- Whether a proof has begun after a moment of the source's clock; none before the first.
select coalesce(bool_or(prover.source_time > $1), false) from funnelproof.prover
