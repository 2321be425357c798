-- Notes markers as seen, and counts those that should have been seen before the last of them but were not: emitted
-- after the first marker that was seen in this epoch, since the connector may have begun to read only then.
with
seen as (
    update funnelproof.marker
    set seen_at = clock_timestamp()
    where marker_id = any($1::bigint[])
    returning marker_id
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
        (
            select max(last_seen.emitted_lsn)
            from funnelproof.marker as last_seen
            where last_seen.marker_id = any($1::bigint[])
        ) as last_lsn
    from epoch
)

select count(*) as lost
from funnelproof.marker
cross join span
where
    marker.seen_at is null
    and marker.emitted_lsn > span.first_lsn
    and marker.emitted_lsn < span.last_lsn
    and marker.marker_id not in (select seen.marker_id from seen)
