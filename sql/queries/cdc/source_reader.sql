-- Whether the connector reads: `changes` from its slot, or perhaps a `snapshot`, for which Debezium holds a session and
-- leaves the slot alone. Null: neither. No row: there is no slot. $1 slot name
select
    case
        when slot.active then 'changes'
        when exists (
            select from pg_stat_activity as session
            where session.datname = current_database() and session.application_name = 'Debezium General'
        ) then 'snapshot'
    end as reading
from pg_replication_slots as slot
where slot.slot_name = $1
