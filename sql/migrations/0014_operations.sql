-- What the page for engineers reads: the proof that is under way, workers, doubts, dead letters, comparisons, receivers.

-- The ends of the log that the marker's proof waits for, by partition: read once the marker had come.
alter table funnelproof.marker add column needed jsonb;

-- The next views tell of every tenant, so a session that names tenants sees no row.

-- The last marker, and how many markers after the last one that came have not come, the oldest since `silent_since`.
create view funnelproof.web_proving with (security_barrier) as
with
last_seen as (
    select max(marker.marker_id) as marker_id
    from funnelproof.marker
    where marker.seen_at is not null
),

silent as (
    select
        count(*) as markers,
        min(missing.intended_at) as since
    from funnelproof.marker as missing
    cross join last_seen
    where missing.marker_id > coalesce(last_seen.marker_id, 0)
),

last_needed as (
    select
        known.needed,
        known.seen_at
    from funnelproof.marker as known
    where known.needed is not null
    order by known.marker_id desc
    limit 1
)

select
    marker.marker_id,
    marker.purpose,
    marker.intended_at,
    marker.emitted_lsn::text as emitted_lsn,
    marker.seen_at,
    silent.markers as silent_markers,
    silent.since as silent_since,
    last_needed.needed,
    last_needed.seen_at as needed_at
from funnelproof.marker
cross join silent
left join last_needed on true
where (select funnelproof.web_sees_all())
order by marker.marker_id desc
limit 1;

-- Sessions of workers that live: each holds the lock of the current epoch.
create view funnelproof.web_worker with (security_barrier) as
select
    coalesce(nullif(activity.application_name, ''), 'process ' || held.pid::text) as session,
    activity.backend_start as since
from pg_locks as held
inner join pg_database as own on held.database = own.oid
left join pg_stat_activity as activity using (pid)
where
    (select funnelproof.web_sees_all())
    and held.locktype = 'advisory'
    and held.granted
    and held.objsubid = 1
    and own.datname = current_database()
    and ((held.classid::bigint << 32) | held.objid::bigint) = hashtextextended('funnelproof.epoch', 0);

create view funnelproof.web_epoch with (security_barrier) as
select
    epoch.epoch,
    epoch.topic,
    epoch.partitions,
    epoch.windows,
    epoch.timezone,
    epoch.begun_at
from funnelproof.installation
inner join funnelproof.epoch using (epoch)
where (select funnelproof.web_sees_all());

create view funnelproof.web_doubt with (security_barrier) as
select
    doubt.kind,
    doubt.reason,
    doubt.noted_at
from funnelproof.doubt
where doubt.resolved_at is null and (select funnelproof.web_sees_all());

create view funnelproof.web_dead_letter with (security_barrier) as
select
    letter.partition,
    letter.source_offset,
    letter.reason,
    letter.recorded_at
from funnelproof.installation
inner join funnelproof.epoch using (epoch)
inner join funnelproof.dead_letter as letter using (topic_id)
where letter.resolved_at is null and (select funnelproof.web_sees_all());

-- The number of closed windows that are kept, and the comparisons of these. Apart: the windows are counted in an index.
create view funnelproof.web_closed with (security_barrier) as
select count(*) as windows
from funnelproof.time_window as closed
where
    closed.closed_at is not null
    and (select funnelproof.web_sees_all())
    and not exists (
        select from funnelproof.sealed
        where closed.window_name = sealed.window_name and closed.window_end <= sealed.sealed_until
    );

create view funnelproof.web_comparison with (security_barrier) as
select
    compared.window_name,
    compared.window_start,
    compared.window_end,
    compared.compared_at,
    compared.outcome,
    compared.different_since
from funnelproof.window_comparison as compared
where
    (select funnelproof.web_sees_all())
    and not exists (
        select from funnelproof.sealed
        where compared.window_name = sealed.window_name and compared.window_end <= sealed.sealed_until
    );

-- Transitions of alerts that wait for a receiver, or were given up.
create view funnelproof.web_delivery with (security_barrier) as
select
    delivery.receiver,
    delivery.event_number,
    delivery.enqueued_at,
    delivery.attempts,
    delivery.last_error,
    delivery.given_up_at
from funnelproof.alert_delivery as delivery
where
    delivery.delivered_at is null
    and (select funnelproof.web_sees_all());

-- The evaluator of alerts; `is_active`: the evaluator's session lives.
create view funnelproof.web_evaluator with (security_barrier) as
select
    term.evaluator,
    term.looked_at,
    term.held,
    term.held_since,
    term.broken_rules,
    exists(
        select
        from pg_locks as held
        inner join pg_database as own on held.database = own.oid
        where
            held.locktype = 'advisory'
            and held.granted
            and own.datname = current_database()
            and (held.classid::bigint << 32 | held.objid::bigint) = hashtextextended('funnelproof.alerts', 0)
    ) as is_active
from funnelproof.alert_term as term
where (select funnelproof.web_sees_all());

-- The page's view of what waits, with the time since when results wait for Kafka.
create or replace view funnelproof.web_backlog as
select
    (
        select count(*)
        from funnelproof.dead_letter as letter
        inner join funnelproof.epoch using (topic_id)
        where letter.resolved_at is null and epoch.epoch = installation.epoch
    ) as dead_letters,
    (select count(*) from funnelproof.touched_window) as pending_revisions,
    (select count(*) from funnelproof.outbox) as unpublished_events,
    case when funnelproof.web_sees_all() then prover.open_transactions end as open_transactions,
    prover.barrier_seconds,
    prover.marker_seconds,
    prover.progress_seconds,
    prover.publish_seconds,
    (
        select outbox.recorded_at
        from funnelproof.outbox
        order by outbox.event_id
        limit 1
    ) as unpublished_since
from funnelproof.installation
left join funnelproof.prover on true;

-- The page's view of transitions, with the names of tenant and pipeline at the transition.
create or replace view funnelproof.web_alert_event with (security_barrier) as
select
    event.event_number,
    event.event_id,
    event.alert_id,
    event.rule,
    event.kind,
    event.transition,
    event.at,
    event.decided_at,
    event.severity,
    event.tenant_id,
    event.pipeline_id,
    event.window_name,
    event.window_start,
    event.window_end,
    event.from_stage_id,
    event.to_stage_id,
    event.content ->> 'from_stage' as from_stage,
    event.content ->> 'to_stage' as to_stage,
    (event.content ->> 'rate')::double precision as rate,
    (event.content ->> 'expected_rate')::double precision as expected_rate,
    event.content ->> 'reason' as reason,
    event.run_id,
    event.runbook,
    event.content ->> 'tenant' as tenant,
    event.content ->> 'pipeline' as pipeline
from funnelproof.alert_event as event
where
    (select funnelproof.web_sees_all())
    or event.tenant_id = any((select funnelproof.web_tenants())::uuid[]);
