-- Ends the record of the repair $1 with the outcome $2 and the message $3.
update funnelproof.repair
set finished_at = clock_timestamp(), outcome = $2, message = $3
where repair.repair_id = $1
