-- What the source says at the start of a tick: its clock, and who may still be writing to the stage table.
-- Every write takes RowExclusiveLock, whatever else its transaction holds. A prepared transaction has no process, but a
-- name. Since when another user's transaction is open, Postgres tells only to members of pg_read_all_stats.
select
    clock_timestamp() as source_time,
    coalesce(
        (
            select
                jsonb_object_agg(
                    holder.virtualtransaction,
                    jsonb_build_object(
                        'pid', holder.pid,
                        'since', coalesce(activity.xact_start, prepared.prepared),
                        'age', extract(
                            epoch from clock_timestamp() - coalesce(activity.xact_start, prepared.prepared)
                        ),
                        'user', coalesce(activity.usename, prepared.owner),
                        'application', coalesce(activity.application_name, prepared.gid)
                    )
                )
            from pg_locks as holder
            left join pg_stat_activity as activity on holder.pid = activity.pid
            left join lateral (
                select prepared.*
                from pg_locks as own
                inner join pg_prepared_xacts as prepared on own.transactionid = prepared.transaction
                where
                    holder.pid is null
                    and own.pid is null
                    and own.locktype = 'transactionid'
                    and own.virtualtransaction = holder.virtualtransaction
            ) as prepared on true
            where
                holder.locktype = 'relation'
                and holder.database = (select oid from pg_database where datname = current_database())
                and holder.relation = 'dyno_crm.deal_pipeline_stage_state'::regclass
                and holder.granted
                and holder.mode = 'RowExclusiveLock'
        ),
        '{}'
    ) as holders
