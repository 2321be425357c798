-- What the page and its API read: views that show the rows of named tenants only, and tokens of people and programs.
-- A session names its tenants in the setting funnelproof.tenants, comma-separated; `*` is every tenant. Without the setting
-- a session sees no row of any tenant.

create function funnelproof.web_sees_all() returns boolean
language sql stable parallel safe
return coalesce(current_setting('funnelproof.tenants', true) = '*', false);

create function funnelproof.web_tenants() returns uuid[]
language sql stable parallel safe
return case
    when funnelproof.web_sees_all() then '{}'
    else string_to_array(nullif(current_setting('funnelproof.tenants', true), ''), ',')::uuid[]
end;

-- security_barrier: a condition of the reader that could tell a row is tried after the view's own condition. The select
-- in brackets is worked out once for a statement, not once for a row.
create view funnelproof.web_pipeline with (security_barrier) as
select
    pipeline.tenant_id,
    pipeline.pipeline_id,
    (
        select label.name from funnelproof.label
        where label.kind = 'tenant' and label.id = pipeline.tenant_id
    ) as tenant,
    (
        select label.name from funnelproof.label
        where label.kind = 'pipeline' and label.id = pipeline.pipeline_id
    ) as pipeline,
    pipeline.stages,
    coalesce(own.tiling, '') as tiling
from (
    select
        stage.tenant_id,
        stage.pipeline_id,
        count(*) as stages
    from funnelproof.pipeline_stage as stage
    where
        (select funnelproof.web_sees_all())
        or stage.tenant_id = any((select funnelproof.web_tenants())::uuid[])
    group by stage.tenant_id, stage.pipeline_id
    order by stage.tenant_id, stage.pipeline_id
) as pipeline
left join funnelproof.tenant_tiling as own using (tenant_id);

create view funnelproof.web_stage with (security_barrier) as
select stage.*
from funnelproof.pipeline_stage as stage
where
    (select funnelproof.web_sees_all())
    or stage.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_pair with (security_barrier) as
select pair.*
from funnelproof.stage_pair as pair
where
    (select funnelproof.web_sees_all())
    or pair.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_run with (security_barrier) as
select
    run.run_id,
    run.tenant_id,
    run.pipeline_id,
    run.window_name,
    run.window_start,
    run.window_end,
    run.revision,
    run.causes,
    run.lowest_lsn::text as lowest_lsn,
    run.highest_lsn::text as highest_lsn,
    run.positions,
    proof.completeness,
    proof.reasons,
    proof.source_lsn::text as source_lsn,
    proof.source_time,
    header.generated_at as published_at
from funnelproof.window_run as run
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_run as header on run.run_id = header.id
where
    ((select funnelproof.web_sees_all()) or run.tenant_id = any((select funnelproof.web_tenants())::uuid[]))
    and not exists (
        select from funnelproof.sealed
        where run.window_name = sealed.window_name and run.window_end <= sealed.sealed_until
    );

-- A page of runs, the newest window and the latest revision first: those that come after the window that begins at
-- `before` and its revision `below`. `latest`: of each window only the latest revision. Functions and no views: the limit
-- of a reader does not reach the index behind a barrier, and a page would cost as much as all the runs of a pipeline.
create function funnelproof.web_runs(
    tenant uuid, pipeline uuid, kind text, before timestamptz, below integer, most integer
) returns table (run_id uuid)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select run.run_id
from funnelproof.window_run as run
where
    (funnelproof.web_sees_all() or tenant = any(funnelproof.web_tenants()))
    and run.tenant_id = tenant
    and run.pipeline_id = pipeline
    and run.window_name = kind
    and (run.window_start, run.revision) < (before, below)
order by run.window_start desc, run.revision desc
limit most
$$;

create function funnelproof.web_latest_runs(
    tenant uuid, pipeline uuid, kind text, before timestamptz, most integer
) returns table (run_id uuid)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select latest.run_id
from (
    select distinct on (run.window_start)
        run.window_start,
        run.run_id
    from funnelproof.window_run as run
    where
        (funnelproof.web_sees_all() or tenant = any(funnelproof.web_tenants()))
        and run.tenant_id = tenant
        and run.pipeline_id = pipeline
        and run.window_name = kind
        and run.window_start < before
    order by run.window_start desc, run.revision desc
    limit most
) as latest
$$;

create view funnelproof.web_fact with (security_barrier) as
select
    fact.run_id,
    fact.tenant_id,
    fact.pipeline_id,
    fact.from_stage_id,
    fact.to_stage_id,
    fact.entered_count,
    fact.converted_count,
    fact.conversion_rate
from dyno_crm.report_stage_conversion_fact as fact
where
    (select funnelproof.web_sees_all())
    or fact.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_partial with (security_barrier) as
select
    partial.tenant_id,
    partial.pipeline_id,
    partial.window_name,
    partial.window_start,
    partial.window_end,
    partial.from_stage_id,
    partial.to_stage_id,
    partial.deals
from funnelproof.partial
where
    partial.epoch = (select installation.epoch from funnelproof.installation)
    and (
        (select funnelproof.web_sees_all())
        or partial.tenant_id = any((select funnelproof.web_tenants())::uuid[])
    );

create view funnelproof.web_difference with (security_barrier) as
select difference.*
from funnelproof.difference
where
    (select funnelproof.web_sees_all())
    or difference.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_alert with (security_barrier) as
select alert.*
from dyno_crm.stage_conversion_alert as alert
where
    (select funnelproof.web_sees_all())
    or alert.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- Transitions without a tenant are about the installation.
create view funnelproof.web_alert_event with (security_barrier) as
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
    event.runbook
from funnelproof.alert_event as event
where
    (select funnelproof.web_sees_all())
    or event.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- What is true of the installation and tells nothing of a tenant. A reader who does not see all tenants is told no numbers
-- that are summed over tenants.
create view funnelproof.web_open_window as
select
    open_window.window_name,
    open_window.window_start,
    open_window.window_end,
    open_window.tilings
from funnelproof.open_window;

create view funnelproof.web_window_kind as
select
    kind.window_name,
    kind.number::integer as number
from funnelproof.installation
inner join funnelproof.epoch using (epoch)
cross join unnest(epoch.windows) with ordinality as kind (window_name, number);

create view funnelproof.web_timezone with (security_barrier) as
select
    timezone.tenant_id,
    timezone.since,
    timezone.timezone
from funnelproof.timezone
where
    timezone.tenant_id is null
    or (select funnelproof.web_sees_all())
    or timezone.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- Grows with every run that is published.
create function funnelproof.web_published() returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select coalesce(
    pg_sequence_last_value(pg_get_serial_sequence('funnelproof.outbox', 'event_id')::regclass), 0
)
$$;

-- `flushes` grows with every accepted flush, `published` with every run, `compared` with every reconciliation.
create view funnelproof.web_pulse as
select
    installation.instance,
    installation.installed_at,
    epoch.epoch,
    epoch.partitions,
    progress.folded,
    progress.flushes,
    progress.as_of,
    progress.oldest_partition,
    progress.oldest_worker,
    prover.source_time,
    prover.source_lsn::text as source_lsn,
    prover.completeness,
    prover.reasons,
    prover.proven_at,
    funnelproof.web_published() as published,
    (select max(reconciliation.reconciliation_id) from funnelproof.reconciliation) as compared,
    (
        select coalesce(array_agg(doubt.reason order by doubt.doubt_id), '{}')
        from funnelproof.doubt
        where doubt.resolved_at is null
    ) as doubts,
    clock_timestamp() as now
from funnelproof.installation
left join funnelproof.epoch using (epoch)
left join funnelproof.prover on true
left join lateral (
    select
        count(each.source_offset)::integer as folded,
        sum(each.flushes)::bigint as flushes,
        min(each.flushed_at) as as_of,
        (array_agg(each.partition order by each.flushed_at))[1] as oldest_partition,
        (array_agg(each.worker order by each.flushed_at))[1] as oldest_worker
    from funnelproof.partition_progress as each
    where each.epoch = installation.epoch
) as progress on true;

create view funnelproof.web_progress as
select
    progress.partition,
    progress.source_offset,
    progress.claimed,
    progress.flushes,
    progress.worker,
    progress.flushed_at
from funnelproof.partition_progress as progress
inner join funnelproof.installation using (epoch);

create view funnelproof.web_backlog as
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
    prover.publish_seconds
from funnelproof.installation
left join funnelproof.prover on true;

-- Which windows are judged by rules of alerts, and whether verdicts are held back.
create view funnelproof.web_watch as
select
    cursor.window_name,
    cursor.tiling,
    count(*) as rules,
    term.looked_at,
    term.held
from funnelproof.alert_cursor as cursor
cross join funnelproof.alert_term as term
group by cursor.window_name, cursor.tiling, term.looked_at, term.held;

create view funnelproof.web_reconciliation as
select
    reconciliation.reconciliation_id,
    reconciliation.started_at,
    reconciliation.finished_at,
    case when funnelproof.web_sees_all() then reconciliation.runs end as runs,
    case when funnelproof.web_sees_all() then reconciliation.pairs end as pairs,
    case when funnelproof.web_sees_all() then reconciliation.differences end as differences,
    case when funnelproof.web_sees_all() then reconciliation.undecided end as undecided,
    reconciliation.outcome
from funnelproof.reconciliation;

-- Tokens are kept as SHA-256 digests: the page's role can ask for a digest, and cannot list the tokens. Null tenants:
-- every tenant. `may`: what the token allows beside the numbers.
create table funnelproof.web_token (
    token_id bigint generated always as identity primary key,
    name text not null,
    digest bytea not null unique check (octet_length(digest) = 32),
    tenants uuid[],
    may text[] not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create unique index ux_web_token_name on funnelproof.web_token (name) where revoked_at is null;

create function funnelproof.web_token_of(digest bytea)
returns table (token_id bigint, name text, tenants uuid[], may text[])
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select
    token.token_id,
    token.name,
    token.tenants,
    token.may
from funnelproof.web_token as token
where
    token.digest = $1
    and token.revoked_at is null
    and (token.expires_at is null or token.expires_at > clock_timestamp())
$$;
