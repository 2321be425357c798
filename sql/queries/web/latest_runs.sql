-- The latest revisions of the closed windows of a kind that begin before $4, the newest window first; $5: how many.
select run.*
from funnelproof.web_run as run
where run.run_id = any(array(select page.run_id from funnelproof.web_latest_runs($1, $2, $3, $4, $5) as page))
order by run.window_start desc
