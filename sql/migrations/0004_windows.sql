-- The boundaries of calendar windows belong to an epoch, and a log in doubt revises no closed window.

-- `boundaries`: digests of the timezones' offsets from UTC (streams/domain/plan.py). `tzdata`: where the worker that
-- began the epoch had the timezones from.
alter table funnelproof.epoch
add column boundaries text not null default '',
add column tzdata text not null default 'unknown';

-- The doubts that the log folded now lacks its beginning. While there is one, closed windows keep their facts: a fold
-- without the first records counts too little.
create view funnelproof.beginning_in_doubt as
select doubt.*
from funnelproof.doubt
inner join funnelproof.epoch using (topic_id)
inner join funnelproof.installation using (epoch)
where doubt.resolved_at is null and doubt.kind in ('log', 'topic');
