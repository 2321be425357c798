-- The position of Debezium's slot, and the bytes of WAL that the slot keeps. $1 slot name
select
    slot.active,
    slot.wal_status,
    slot.confirmed_flush_lsn::text as confirmed_flush_lsn,
    pg_wal_lsn_diff(pg_current_wal_lsn(), slot.restart_lsn)::bigint as retained_bytes
from pg_replication_slots as slot
where slot.slot_name = $1
