-- Notes that the detector of a rule, after a close, is in the memory. $1 rule, $2 kind, $3 tiling
update funnelproof.alert_cursor
set memory_proof_id = proof_id
where rule = $1 and window_name = $2 and tiling = $3
