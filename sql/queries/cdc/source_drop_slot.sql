-- Drops the connector's replication slot.
select pg_drop_replication_slot(slot.slot_name)
from pg_replication_slots as slot
where slot.slot_name = $1
