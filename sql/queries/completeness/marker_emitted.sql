-- Notes that a marker's transaction has committed.
update funnelproof.marker
set emitted_lsn = $2
where marker_id = $1
