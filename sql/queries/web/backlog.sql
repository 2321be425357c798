-- What waits: dead letters, revisions, results for Kafka.
select *
from funnelproof.web_backlog
