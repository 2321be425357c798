-- A run with its proof.
select run.*
from funnelproof.web_run as run
where run.run_id = $1
