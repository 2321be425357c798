-- The boundaries of calendar windows belong to an epoch, and a log in doubt revises no closed window.

-- `boundaries`: digests of the timezones' offsets from UTC (streams/domain/plan.py). `tzdata`: where the worker that
-- began the epoch had the timezones from.
alter table funnelproof.epoch
add column boundaries text not null default '',
add column tzdata text not null default 'unknown';

-- The reasons to think that the log folded now lacks records which closed windows were counted from. While there is a
-- reason, the windows keep their facts: a fold without the records counts too little. A topic made anew beside former
-- facts has its beginning once a marker has come through it, unless the doubt `topic` says that it has no snapshot.
create view funnelproof.log_in_doubt as
with
folded as (
    select epoch.topic_id
    from funnelproof.installation
    inner join funnelproof.epoch using (epoch)
)

select doubt.reason
from funnelproof.doubt
inner join folded using (topic_id)
where doubt.kind in ('topic', 'log_end') and doubt.resolved_at is null
union all
select 'no marker has come through the CDC topic that was made anew' as reason
from folded
where
    coalesce(
        (select followed.topic_id <> folded.topic_id from funnelproof.followed),
        exists (select from funnelproof.epoch where epoch.topic_id <> folded.topic_id)
        and exists (select from funnelproof.window_run)
    );
