-- Notes the seconds that the publishing took, without the commit.
update funnelproof.prover
set publish_seconds = $1
