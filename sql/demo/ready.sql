-- The database's clock, if a worker has completed a proof since $1; otherwise no row.
select clock_timestamp() as ready_at
from funnelproof.prover
where prover.proven_at >= $1
