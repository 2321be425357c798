-- Keeps the fingerprint of the source with which the log of a topic begins.
insert into funnelproof.capture (topic_id, fingerprint, source_time)
values ($1, $2, $3)
on conflict (topic_id) do nothing
