-- How many events of the current topic could not be applied and were not superseded or retried since.
select count(*)
from funnelproof.dead_letter as letter
inner join funnelproof.epoch using (topic_id)
inner join funnelproof.installation using (epoch)
where letter.resolved_at is null
