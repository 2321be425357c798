-- The last marker, markers that have not come, and the log's ends as a proof has last read them; ages in seconds.
select
    proving.marker_id,
    proving.emitted_lsn,
    proving.silent_markers,
    proving.needed,
    extract(epoch from clock_timestamp() - proving.intended_at)::double precision as age,
    extract(epoch from clock_timestamp() - proving.seen_at)::double precision as seen_age,
    extract(epoch from clock_timestamp() - proving.silent_since)::double precision as silent_age,
    extract(epoch from clock_timestamp() - proving.needed_at)::double precision as needed_age
from funnelproof.web_proving as proving
