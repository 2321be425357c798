-- The unresolved doubts, and the unresolved dead letters as a doubt; each makes every result an estimate.
select
    doubt.kind,
    doubt.reason,
    doubt.since_lsn::text as since_lsn,
    doubt.since_time,
    doubt.noted_at
from funnelproof.doubt
where doubt.resolved_at is null
union all
select
    'dead_letters' as kind,
    format('%s events could not be applied', count(*)) as reason,
    null as since_lsn,
    null as since_time,
    min(letter.recorded_at) as noted_at
from funnelproof.dead_letter as letter
inner join funnelproof.epoch using (topic_id)
inner join funnelproof.installation using (epoch)
where letter.resolved_at is null
having count(*) > 0
order by noted_at
