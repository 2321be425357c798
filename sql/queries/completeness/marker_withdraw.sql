-- Forgets a marker that the source did not let us emit.
delete from funnelproof.marker
where marker_id = $1 and emitted_lsn is null
