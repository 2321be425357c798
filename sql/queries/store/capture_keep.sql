-- Keeps the present fingerprint of the source.
insert into funnelproof.capture as known (topic_id, fingerprint, source_time)
values ($1, $2, $3)
on conflict (topic_id) do update
    set fingerprint = excluded.fingerprint, source_time = excluded.source_time
