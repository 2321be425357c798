-- The rows of the deals $2 are in the log, by the repair $1.
update funnelproof.repair_action
set done_at = clock_timestamp()
where
    repair_action.repair_id = $1
    and repair_action.kind = 'restate'
    and repair_action.deal_id = any($2::uuid[])
