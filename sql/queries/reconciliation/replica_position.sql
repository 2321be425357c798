-- The server that a reconciliation reads: a standby or not, of which server, and whether it has replayed up to $1.
select
    pg_is_in_recovery() as is_replica,
    (select system_identifier::text from pg_control_system()) as system_identifier,
    coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) as has_replayed
