-- Closes the record of a reconciliation.
update funnelproof.reconciliation
set
    finished_at = clock_timestamp(),
    snapshot = $2,
    runs = $3,
    pairs = $4,
    differences = $5,
    undecided = $6,
    outcome = $7
where reconciliation_id = $1
