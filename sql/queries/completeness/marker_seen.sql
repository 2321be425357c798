-- Notes markers as seen, and notes two kinds of doubt, each once.
-- Lost: a marker was emitted between the first marker seen in this epoch and the last marker seen now, but never came.
-- A marker from before the first seen one is no doubt, because the connector may have begun to read later.
-- Undone: a marker was seen before the present marker was written down, and yet has the higher position in the log.
-- The source then went back to an earlier state.
with
seen as (
    update funnelproof.marker
    set seen_at = clock_timestamp()
    from unnest($1::bigint[], $2::text[]::uuid[]) as arrived (marker_id, token)
    where marker.marker_id = arrived.marker_id and marker.token = arrived.token
    returning marker.marker_id, marker.emitted_lsn, marker.intended_at
),

epoch as (
    select epoch.begun_at
    from funnelproof.epoch
    inner join funnelproof.installation using (epoch)
),

span as (
    select
        (
            select min(first_seen.emitted_lsn)
            from funnelproof.marker as first_seen
            where first_seen.seen_at is not null and first_seen.intended_at > epoch.begun_at
        ) as first_lsn,
        (select max(seen.emitted_lsn) from seen) as last_lsn
    from epoch
),

lost as (
    delete from funnelproof.marker
    using span
    where
        marker.seen_at is null
        and marker.emitted_lsn > span.first_lsn
        and marker.emitted_lsn < span.last_lsn
        and marker.marker_id not in (select seen.marker_id from seen)
    returning marker.marker_id
),

undone as (
    delete from funnelproof.marker
    using seen
    where marker.seen_at < seen.intended_at and marker.emitted_lsn > seen.emitted_lsn
    returning marker.marker_id
)

select funnelproof.note_doubt(found.kind, found.reason)
from (
    select
        'marker' as kind,
        format('%s markers were emitted but never came: changes may have been lost', count(*)) as reason
    from lost
    having count(*) > 0
    union all
    select
        'source' as kind,
        'the source went back to an earlier state' as reason
    from undone
    having count(*) > 0
) as found
