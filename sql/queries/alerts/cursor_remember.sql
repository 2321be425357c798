-- Keeps the detector of a rule after a close. $1 rule, $2 kind, $3 tiling, $4 the streams and the detector
update funnelproof.alert_cursor
set memory = $4, memory_proof_id = proof_id
where rule = $1 and window_name = $2 and tiling = $3
