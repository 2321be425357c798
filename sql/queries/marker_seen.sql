-- Notes markers as seen, and counts those that should have been seen before the last of them but were not.
with
seen as (
    update funnelproof.marker
    set seen_at = clock_timestamp()
    where marker_id = any($1::bigint[])
    returning marker_id
)

select count(*) as lost
from funnelproof.marker
where
    marker.seen_at is null
    and marker.emitted_lsn < (
        select max(emitted_lsn) from funnelproof.marker where marker_id = any($1::bigint[])
    )
    and marker.marker_id not in (select seen.marker_id from seen)
    -- What was lost before this epoch began is in the snapshot that began it.
    and marker.intended_at > (
        select epoch.begun_at
        from funnelproof.epoch
        inner join funnelproof.installation using (epoch)
    )
