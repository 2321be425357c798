-- The sessions that hold the current epoch: living workers, even paused ones.
select coalesce(nullif(activity.application_name, ''), 'process ' || held.pid::text) as worker
from pg_locks as held
left join pg_stat_activity as activity using (pid)
where
    held.locktype = 'advisory'
    and held.granted
    and held.objsubid = 1
    and held.database = (select oid from pg_database where datname = current_database())
    and ((held.classid::bigint << 32) | held.objid::bigint) = hashtextextended('funnelproof.epoch', 0)
order by worker
