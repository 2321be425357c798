-- Counts late changes in sealed windows; late changes there have no other effect.
update funnelproof.sealed
set ignored_changes = sealed.ignored_changes + late.changes, last_ignored_at = clock_timestamp()
from unnest($1::text[], $2::bigint[]) as late (window_name, changes)
where sealed.window_name = late.window_name
