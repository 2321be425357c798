-- The page's sessions on this database.
select activity.pid
from pg_stat_activity as activity
where activity.application_name like '% dashboard' and activity.datname = current_database()
