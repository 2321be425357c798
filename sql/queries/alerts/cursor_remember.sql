-- Keeps the detector of a rule after a close. $1 rule, $2 kind, $3 tiling, $4 the detector, $5 its streams
update funnelproof.alert_cursor
set memory = $4, memory_streams = $5, memory_proof_id = proof_id
where rule = $1 and window_name = $2 and tiling = $3
