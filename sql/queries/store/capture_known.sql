-- The fingerprint of the source when the log of a topic was last looked at; no row for a log never looked at.
select
    capture.fingerprint,
    capture.source_time
from funnelproof.capture
where capture.topic_id = $1
