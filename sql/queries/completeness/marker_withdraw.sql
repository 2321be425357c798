-- Deletes a marker whose emission the source refused.
delete from funnelproof.marker
where marker_id = $1 and emitted_lsn is null
