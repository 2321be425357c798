-- How many pipelines of the tenant $1 have a revision $3 of the window that starts at $2.
select count(*)
from funnelproof.window_run as run
where run.tenant_id = $1 and run.window_start = $2 and run.revision = $3::integer
