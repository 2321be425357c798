-- What waits: revisions, results for Kafka; and the seconds of the steps of the last proof.
select
    backlog.pending_revisions,
    backlog.unpublished_events,
    backlog.barrier_seconds,
    backlog.marker_seconds,
    backlog.progress_seconds,
    backlog.publish_seconds,
    extract(epoch from clock_timestamp() - backlog.unpublished_since)::double precision as unpublished_age
from funnelproof.web_backlog as backlog
