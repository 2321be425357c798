-- The source's clock, once a worker has proven something since $1; no row before.
select clock_timestamp() as ready_at
from funnelproof.prover
where prover.proven_at >= $1
