-- What waits for each receiver of alerts, and what was given up; ages in seconds.
select backlog.*
from funnelproof.web_receiver as backlog
order by backlog.receiver
