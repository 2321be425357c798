-- How far a rule has looked. $1 rule, $2 kind, $3 tiling
select
    known.digest,
    known.closed_start,
    known.proof_id,
    known.memory_proof_id
from funnelproof.alert_cursor as known
where known.rule = $1 and known.window_name = $2 and known.tiling = $3
