-- How far the connector's slot is confirmed, and whether its WAL is still there.
select
    slot.confirmed_flush_lsn,
    slot.wal_status,
    slot.active
from pg_replication_slots as slot
where slot.slot_name = $1
