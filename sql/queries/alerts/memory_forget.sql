-- Forgets the memory of a rule's detector. $1 rule, $2 kind, $3 tiling
delete from funnelproof.alert_memory
where rule = $1 and window_name = $2 and tiling = $3
