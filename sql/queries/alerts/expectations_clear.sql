-- Makes room for what a rule's detector expects now. $1 rule, $2 kind, $3 tiling
delete from funnelproof.alert_expectation as old
where old.rule = $1 and old.window_name = $2 and old.tiling = $3
