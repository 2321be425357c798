-- The source's clock at the start of a tick, and the transactions that may still be writing to the stage table.
-- Every write takes a RowExclusiveLock on the table or on the partition, so the locks' holders are the possible writers. A prepared
-- transaction has a name but no process. `since` of another user's transaction is visible only to members of
-- pg_read_all_stats.
with recursive
followed as (
    select 'dyno_crm.deal_pipeline_stage_state'::regclass::oid as relation
    union all
    select inherited.inhrelid
    from followed
    inner join pg_inherits as inherited on followed.relation = inherited.inhparent
)

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
                and holder.relation in (select followed.relation from followed)
                and holder.granted
                and holder.mode = 'RowExclusiveLock'
        ),
        '{}'
    ) as holders
