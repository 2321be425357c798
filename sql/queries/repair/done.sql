-- The actions of the kind $2 of the repair $1 have had their effect.
update funnelproof.repair_action
set done_at = clock_timestamp()
where repair_action.repair_id = $1 and repair_action.kind = $2 and repair_action.done_at is null
