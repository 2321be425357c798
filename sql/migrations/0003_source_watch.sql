-- The fingerprint of the source at the last proof of each log, and doubts that only a new log settles.

-- What the capture of a topic's log rested on when it was last looked at, as streams/domain/fingerprint.py says.
create table funnelproof.capture (
    topic_id text primary key,
    fingerprint jsonb not null,
    source_time timestamptz not null,
    begun_at timestamptz not null default clock_timestamp()
);

-- Noting a doubt again moves it to the log that is folded now: what is at fault still, a new log does not settle.
create or replace function funnelproof.note_doubt(kind text, reason text) returns void
language sql
as $$
insert into funnelproof.doubt (kind, reason, topic_id, since_lsn, since_time)
select
    $1,
    $2,
    epoch.topic_id,
    prover.source_lsn,
    prover.source_time
from funnelproof.installation
left join funnelproof.epoch using (epoch)
left join funnelproof.prover on true
on conflict (kind) where resolved_at is null do update
    set reason = excluded.reason, topic_id = excluded.topic_id, last_noted_at = clock_timestamp()
$$;
