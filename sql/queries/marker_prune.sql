-- Forgets markers that were seen a while ago and are evidence of nothing.
delete from funnelproof.marker
where marker.seen_at < clock_timestamp() - interval '1 hour'
    and marker.marker_id < $1 - 1000
