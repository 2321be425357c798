-- True if the last proof began after $1, by the source's clock; false before the first proof.
select coalesce(bool_or(prover.source_time > $1), false) from funnelproof.prover
