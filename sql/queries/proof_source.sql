-- What the source says at the start of a tick: its clock, and who may still be writing to the stage table.
-- Every write takes RowExclusiveLock, whatever else its transaction holds; prepared transactions have no process.
select
    clock_timestamp() as source_time,
    coalesce(
        (
            select
                jsonb_object_agg(
                    holder.virtualtransaction,
                    jsonb_build_object(
                        'pid', holder.pid,
                        'since', activity.xact_start,
                        'age', extract(epoch from clock_timestamp() - activity.xact_start),
                        'user', activity.usename,
                        'application', activity.application_name
                    )
                )
            from pg_locks as holder
            left join pg_stat_activity as activity on holder.pid = activity.pid
            where
                holder.locktype = 'relation'
                and holder.database = (select oid from pg_database where datname = current_database())
                and holder.relation = 'dyno_crm.deal_pipeline_stage_state'::regclass
                and holder.granted
                and holder.mode = 'RowExclusiveLock'
        ),
        '{}'
    ) as holders
