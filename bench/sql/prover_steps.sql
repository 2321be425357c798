-- How long the steps of the last proof took, the transaction that closes and revises included.
select
    prover.marker_seconds as marker,
    prover.progress_seconds as progress,
    prover.publish_seconds as publish
from funnelproof.prover
