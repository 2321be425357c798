-- The confirmed position of the connector's slot, and the state of the slot's WAL. $1 slot name
select
    slot.confirmed_flush_lsn,
    slot.wal_status,
    slot.active
from pg_replication_slots as slot
where slot.slot_name = $1
