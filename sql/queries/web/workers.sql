-- Sessions of workers that live, and since when each holds the epoch.
select
    worker.session,
    min(worker.since) as since
from funnelproof.web_worker as worker
group by worker.session
order by worker.session
