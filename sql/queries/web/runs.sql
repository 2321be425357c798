-- A page of the runs of a pipeline in windows of a kind, the newest window and the latest revision first.
-- $4, $5: window and revision of the last run of the page before.
select run.*
from funnelproof.web_run as run
where run.run_id = any(array(select page.run_id from funnelproof.web_runs($1, $2, $3, $4, $5, $6) as page))
order by run.window_start desc, run.revision desc
