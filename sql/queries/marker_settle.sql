-- Everything was compared and equal at this marker, so nothing that an earlier one would have proven is missing.
delete from funnelproof.marker
where marker.seen_at is null and marker.emitted_lsn < $1
