-- Notes the ends of the log that a marker's proof waits for, for people who ask why nothing is proven.
update funnelproof.marker
set needed = $2
where marker_id = $1
