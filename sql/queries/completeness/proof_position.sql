-- The source's present position in the log, for an estimate.
select
    pg_current_snapshot()::text as snapshot,
    pg_current_wal_insert_lsn() as source_lsn
