-- Notes how long publishing took, but for the commit.
update funnelproof.prover
set publish_seconds = $1
