-- What funnelproof keeps for itself (schema funnelproof), and the three views people read (schema dyno_crm).
-- touches dyno_crm.stage_conversion_current: view added
-- touches dyno_crm.stage_conversion_revisions: view added
-- touches dyno_crm.stage_conversion_live: view added
create schema if not exists funnelproof;

-- One row: whose database this is, and from when on windows are its business.
create table funnelproof.installation (
    singleton boolean primary key default true check (singleton),
    instance text not null,
    installed_at timestamptz not null,
    epoch uuid,
    configured_pairs uuid
);

-- What a state is a fold of. Only the current epoch's counts are summed; another topic, another number of
-- partitions or other windows make another epoch, rebuilt by replay and never mixed.
create table funnelproof.epoch (
    epoch uuid primary key,
    topic text not null,
    topic_id text not null,
    partitions integer not null,
    windows text[] not null,
    timezone text not null,
    tenant_timezones text not null,
    state_format integer not null,
    begun_at timestamptz not null default clock_timestamp()
);

-- How far each partition is folded. `claimed` is the end its owner saw when it took over: a flush from below
-- comes from a worker presumed dead and is refused. `flushes` counts accepted flushes.
create table funnelproof.partition_progress (
    epoch uuid not null references funnelproof.epoch (epoch),
    partition integer not null,
    source_offset bigint,
    claimed bigint not null,
    flushes bigint not null default 0,
    flushed_by text,
    worker text not null,
    flushed_at timestamptz,
    primary key (epoch, partition)
) with (fillfactor = 50);

-- One partition's absolute count of deals for one step in one window; from_stage_id = to_stage_id: entered it.
create table funnelproof.partial (
    epoch uuid not null,
    partition integer not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    deals bigint not null check (deals >= 0),
    flush bigint not null,
    primary key (
        window_start, window_name, tenant_id, pipeline_id, from_stage_id, to_stage_id, partition, epoch
    )
) with (fillfactor = 70);
create index ix_partial_flush on funnelproof.partial (epoch, partition, flush);

-- Windows that have counts, hold the present or are closed, and which tilings have them.
create table funnelproof.time_window (
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    tilings text[] not null default '{}',
    closed_at timestamptz,
    zeros_pruned boolean not null default false,
    primary key (window_name, window_start, window_end)
);
create index ix_time_window_closed on funnelproof.time_window (window_name, window_end)
where closed_at is not null;
create index ix_time_window_open on funnelproof.time_window (window_end) where closed_at is null;
create index ix_time_window_zeros on funnelproof.time_window (window_name, window_end)
where closed_at is not null and not zeros_pruned;

-- Windows that end by `sealed_until` are past their retention: what was kept of them is deleted, they are never
-- revised again, and later changes of them are counted here and do nothing else. Only ever moves forward.
create table funnelproof.sealed (
    window_name text primary key,
    sealed_until timestamptz not null,
    ignored_changes bigint not null default 0,
    last_ignored_at timestamptz
) with (fillfactor = 50);

-- The timezones of calendar windows since when (null: always), by tenant; null: of tenants without rows of their own.
create table funnelproof.timezone (
    tenant_id uuid,
    since timestamptz,
    timezone text not null,
    unique nulls not distinct (tenant_id, since)
);

-- Tenants whose windows lie elsewhere than those of most, by the name of their tiling.
create table funnelproof.tenant_tiling (
    tenant_id uuid primary key,
    tiling text not null
);

-- Sealed windows of which something may be left to be deleted.
create table funnelproof.sealed_window (
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    primary key (window_end, window_name, window_start)
);

-- Why counts of an ended window changed; becomes the causes of its next revision.
create table funnelproof.change_note (
    epoch uuid not null,
    partition integer not null,
    flush bigint not null,
    source_offset bigint not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    causes text[] not null,
    lowest_lsn pg_lsn not null,
    highest_lsn pg_lsn not null,
    primary key (
        tenant_id, pipeline_id, window_name, window_start, epoch, partition, flush
    )
);

-- Events that could not be applied; once per place in the log, however often it is replayed.
create table funnelproof.dead_letter (
    topic_id text not null,
    partition integer not null,
    source_offset bigint not null,
    key bytea,
    value bytea,
    reason text not null,
    recorded_at timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    resolved_at timestamptz,
    -- Where a reconciliation resolved it: when that began.
    compared_at timestamptz,
    primary key (topic_id, partition, source_offset)
);
create index ix_dead_letter_unresolved on funnelproof.dead_letter (topic_id) where resolved_at is null;
create index ix_dead_letter_unpublished on funnelproof.dead_letter (topic_id) where published_at is null;

-- The pipelines' stages as read right after the last marker, on its connection.
create table funnelproof.pipeline_stage (
    stage_id uuid primary key,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    name text,
    display_order integer not null
);
create index ix_pipeline_stage_scope on funnelproof.pipeline_stage (tenant_id, pipeline_id);

-- Pairs that the settings give for a pipeline in place of each stage and the next; written when a worker starts.
create table funnelproof.configured_pair (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    primary key (tenant_id, pipeline_id, from_stage_id, to_stage_id)
);

-- The newest closed window that each pipeline has an entry in, by its start: what is older may be dormant.
create table funnelproof.pipeline_activity (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_start timestamptz not null,
    primary key (tenant_id, pipeline_id)
) with (fillfactor = 70);

-- Markers: written down as intended, then emitted, then seen in Kafka. One that was emitted but never seen,
-- while a later one was, means that changes may have been lost. The token tells a marker from one of the same number
-- that an older state of this database has emitted.
create table funnelproof.marker (
    marker_id bigint generated always as identity primary key,
    token uuid not null default gen_random_uuid(),
    purpose text not null,
    intended_at timestamptz not null default clock_timestamp(),
    emitted_lsn pg_lsn,
    seen_at timestamptz
);

-- Evidence that everything up to source_lsn is in the partials. Kept where a run refers to it.
create table funnelproof.proof (
    proof_id bigint generated always as identity primary key,
    marker_id bigint,
    source_time timestamptz not null,
    source_lsn pg_lsn not null,
    snapshot text not null,
    system_identifier text,
    timeline integer,
    needed jsonb not null,
    positions jsonb not null,
    completeness text not null check (completeness in ('proven', 'estimated')),
    reasons text[] not null,
    open_transactions jsonb not null,
    marker_seconds double precision not null,
    progress_seconds double precision not null,
    proven_at timestamptz not null default clock_timestamp()
);

-- One row: what the prover did last, for `status`.
create table funnelproof.prover (
    singleton boolean primary key default true check (singleton),
    worker text not null,
    source_time timestamptz not null,
    source_lsn pg_lsn not null,
    completeness text not null,
    reasons text[] not null,
    open_transactions jsonb not null,
    barrier_seconds double precision not null,
    marker_seconds double precision not null,
    progress_seconds double precision not null,
    publish_seconds double precision,
    proven_at timestamptz not null
) with (fillfactor = 50);

-- Why results are estimates: changes may be missing, or deleted rows may still be counted. `since_lsn` and `since_time`
-- are the last marker before it was noted. At most one of a kind is unresolved; noting it again moves `last_noted_at`.
-- An equal reconciliation of everything that began later (`compared_at`) resolves it.
create table funnelproof.doubt (
    doubt_id bigint generated always as identity primary key,
    kind text not null,
    reason text not null,
    topic_id text,
    since_lsn pg_lsn,
    since_time timestamptz,
    noted_at timestamptz not null default clock_timestamp(),
    last_noted_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    compared_at timestamptz,
    reconciliation_id bigint
);
create unique index ux_doubt_unresolved on funnelproof.doubt (kind) where resolved_at is null;

create function funnelproof.note_doubt(kind text, reason text) returns void
language sql
as $$
insert into funnelproof.doubt (kind, reason, topic_id, since_lsn, since_time)
select
    $1,
    $2,
    epoch.topic_id,
    prover.source_lsn,
    prover.source_time
from funnelproof.installation
left join funnelproof.epoch using (epoch)
left join funnelproof.prover on true
on conflict (kind) where resolved_at is null do update
    set reason = excluded.reason, last_noted_at = clock_timestamp()
$$;

-- Initial snapshots that the log of a topic holds, by the position they were taken at. A second one is a doubt.
create table funnelproof.snapshot (
    topic_id text not null,
    source_lsn pg_lsn not null,
    noted_at timestamptz not null default clock_timestamp(),
    primary key (topic_id, source_lsn)
);

-- One row: what was followed at the last proof. Another Postgres, timeline or topic is a doubt; so is a slot that
-- was there for this topic and is gone.
create table funnelproof.followed (
    singleton boolean primary key default true check (singleton),
    system_identifier text not null,
    timeline integer not null,
    topic_id text not null,
    slot_topic_id text
);

-- Every streamed run, typed: its window, its revision, what it is worth and what it stands for.
create table funnelproof.window_run (
    run_id uuid primary key,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    revision integer not null check (revision >= 1),
    causes text[] not null,
    lowest_lsn pg_lsn,
    highest_lsn pg_lsn,
    epoch uuid not null,
    positions jsonb not null,
    proof_id bigint not null references funnelproof.proof (proof_id),
    foreign key (run_id, tenant_id) references dyno_crm.report_run (id, tenant_id) on delete cascade,
    unique (tenant_id, pipeline_id, window_name, window_start, revision)
);
create index ix_window_run_window on funnelproof.window_run (window_name, window_start);
create index ix_window_run_proof on funnelproof.window_run (proof_id);

-- Runs that Kafka is to be told of: added by the transaction that publishes them, removed once Kafka has them. Whoever
-- publishes holds the closing lock, so event_id is the order of the commits. No references: runs may be deleted meanwhile.
create table funnelproof.outbox (
    event_id bigint generated always as identity primary key,
    run_id uuid not null,
    previous_run_id uuid,
    recorded_at timestamptz not null default clock_timestamp()
);

-- Closed windows whose counts may have changed since, waiting until they have been quiet for a moment; or, with
-- `present_pairs`, which somebody asked to publish with the pairs of now.
create table funnelproof.touched_window (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    touched_at timestamptz not null,
    present_pairs boolean not null default false,
    primary key (tenant_id, pipeline_id, window_name, window_start)
);
create index ix_touched_window_age on funnelproof.touched_window (present_pairs, touched_at);

-- Up to which flush each partition's partials have been searched for changes of closed windows.
create table funnelproof.revision_cursor (
    epoch uuid not null references funnelproof.epoch (epoch),
    partition integer not null,
    flush bigint not null,
    primary key (epoch, partition)
) with (fillfactor = 50);

create table funnelproof.reconciliation (
    reconciliation_id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    snapshot text,
    runs integer not null default 0,
    pairs integer not null default 0,
    differences integer not null default 0,
    undecided integer not null default 0,
    outcome text check (outcome in ('equal', 'different', 'undecided'))
);

create table funnelproof.difference (
    reconciliation_id bigint not null references funnelproof.reconciliation on delete cascade,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    run_id uuid,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    fact_entered bigint,
    fact_converted bigint,
    sql_entered bigint,
    sql_converted bigint,
    primary key (
        reconciliation_id, tenant_id, pipeline_id, window_name, window_start, from_stage_id, to_stage_id
    )
);

-- The latest revisions; those of sealed windows are on their way out, so they count as gone.
create view funnelproof.latest_run as
select run.*
from funnelproof.window_run as run
where
    not exists (
        select from funnelproof.window_run as later
        where
            later.tenant_id = run.tenant_id
            and later.pipeline_id = run.pipeline_id
            and later.window_name = run.window_name
            and later.window_start = run.window_start
            and later.revision = run.revision + 1
    )
    and not exists (
        select from funnelproof.sealed
        where run.window_name = sealed.window_name and run.window_end <= sealed.sealed_until
    );

-- The pairs a pipeline is reported on: those that are configured, of stages it still has; else each stage and the next.
create view funnelproof.stage_pair as
with
consecutive as (
    select
        stage.tenant_id,
        stage.pipeline_id,
        stage.stage_id as from_stage_id,
        stage.name as from_stage,
        lead(stage.stage_id) over follows as to_stage_id,
        lead(stage.name) over follows as to_stage
    from funnelproof.pipeline_stage as stage
    window follows as (
        partition by stage.tenant_id, stage.pipeline_id
        order by stage.display_order, stage.stage_id
    )
)

select consecutive.*
from consecutive
where
    consecutive.to_stage_id is not null
    and not exists (
        select from funnelproof.configured_pair as given
        where given.tenant_id = consecutive.tenant_id and given.pipeline_id = consecutive.pipeline_id
    )
union all
select
    given.tenant_id,
    given.pipeline_id,
    given.from_stage_id,
    from_stage.name as from_stage,
    given.to_stage_id,
    to_stage.name as to_stage
from funnelproof.configured_pair as given
inner join funnelproof.pipeline_stage as from_stage
    on
        given.from_stage_id = from_stage.stage_id
        and given.tenant_id = from_stage.tenant_id
        and given.pipeline_id = from_stage.pipeline_id
inner join funnelproof.pipeline_stage as to_stage
    on
        given.to_stage_id = to_stage.stage_id
        and given.tenant_id = to_stage.tenant_id
        and given.pipeline_id = to_stage.pipeline_id;

-- The latest revision of every closed window.
create view dyno_crm.stage_conversion_current as
select
    run.tenant_id,
    run.pipeline_id,
    run.window_name,
    run.window_start,
    run.window_end,
    fact.from_stage_id,
    from_stage.name as from_stage,
    fact.to_stage_id,
    to_stage.name as to_stage,
    fact.entered_count,
    fact.converted_count,
    fact.conversion_rate,
    run.run_id,
    run.revision,
    proof.completeness,
    proof.source_lsn,
    header.generated_at as closed_at
from funnelproof.latest_run as run
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_run as header on run.run_id = header.id
inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
left join funnelproof.pipeline_stage as from_stage on fact.from_stage_id = from_stage.stage_id
left join funnelproof.pipeline_stage as to_stage on fact.to_stage_id = to_stage.stage_id;

-- One row per pair and revision that changed it; nothing before: the pair was added, nothing after: it was left out.
create view dyno_crm.stage_conversion_revisions as
with
revision as not materialized (
    select
        run.*,
        earlier.run_id as earlier_run_id
    from funnelproof.window_run as run
    inner join funnelproof.window_run as earlier
        on
            run.tenant_id = earlier.tenant_id
            and run.pipeline_id = earlier.pipeline_id
            and run.window_name = earlier.window_name
            and run.window_start = earlier.window_start
            and run.revision - 1 = earlier.revision
),

change as (
    select
        revision.*,
        fact.from_stage_id,
        fact.to_stage_id,
        former.entered_count as entered_before,
        fact.entered_count as entered_after,
        former.converted_count as converted_before,
        fact.converted_count as converted_after
    from revision
    inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
    left join dyno_crm.report_stage_conversion_fact as former
        on
            revision.earlier_run_id = former.run_id
            and fact.from_stage_id = former.from_stage_id
            and fact.to_stage_id = former.to_stage_id
    where
        (former.entered_count, former.converted_count)
        is distinct from (fact.entered_count, fact.converted_count)
    union all
    select
        revision.*,
        former.from_stage_id,
        former.to_stage_id,
        former.entered_count,
        null,
        former.converted_count,
        null
    from revision
    inner join dyno_crm.report_stage_conversion_fact as former on revision.earlier_run_id = former.run_id
    left join dyno_crm.report_stage_conversion_fact as fact
        on
            revision.run_id = fact.run_id
            and former.from_stage_id = fact.from_stage_id
            and former.to_stage_id = fact.to_stage_id
    where fact.run_id is null
)

select
    change.tenant_id,
    change.pipeline_id,
    change.window_name,
    change.window_start,
    change.window_end,
    change.from_stage_id,
    from_stage.name as from_stage,
    change.to_stage_id,
    to_stage.name as to_stage,
    change.revision,
    change.entered_before,
    change.entered_after,
    change.converted_before,
    change.converted_after,
    change.causes,
    change.lowest_lsn,
    change.highest_lsn,
    proof.completeness,
    proof.source_lsn,
    change.run_id,
    header.generated_at as revised_at
from change
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_run as header on change.run_id = header.id
left join funnelproof.pipeline_stage as from_stage on change.from_stage_id = from_stage.stage_id
left join funnelproof.pipeline_stage as to_stage on change.to_stage_id = to_stage.stage_id;

-- Windows that are to be closed. One that others of its kind were closed after never will be: its timezone is another
-- now; nor will one of a kind that is not counted any more.
create view funnelproof.open_window as
select known.*
from funnelproof.installation
inner join funnelproof.epoch using (epoch)
inner join
    funnelproof.time_window as known
    on installation.installed_at < known.window_end and known.window_name = any(epoch.windows)
where
    known.closed_at is null
    and not exists (
        select from funnelproof.time_window as closed
        where
            closed.window_name = known.window_name
            and closed.window_end > known.window_end
            and closed.closed_at is not null
    );

-- Open windows, as far as the partials know; as_of is the oldest partition's flush.
create view dyno_crm.stage_conversion_live as
with
current_epoch as (
    select
        installation.epoch,
        coalesce(prover.source_time, 'infinity') as source_time,
        (
            select min(progress.flushed_at)
            from funnelproof.partition_progress as progress
            where progress.epoch = epoch.epoch
            having count(progress.source_offset) = epoch.partitions
        ) as as_of
    from funnelproof.installation
    inner join funnelproof.epoch using (epoch)
    left join funnelproof.prover on true
),

tally as (
    select
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_name,
        partial.window_start,
        partial.window_end,
        partial.from_stage_id,
        partial.to_stage_id,
        sum(partial.deals)::bigint as deals
    from funnelproof.open_window
    inner join funnelproof.partial using (window_name, window_start, window_end)
    inner join current_epoch using (epoch)
    group by 1, 2, 3, 4, 5, 6, 7
)

select
    pair.tenant_id,
    pair.pipeline_id,
    open_window.window_name,
    open_window.window_start,
    open_window.window_end,
    pair.from_stage_id,
    pair.from_stage,
    pair.to_stage_id,
    pair.to_stage,
    coalesce(entered.deals, 0) as entered_count,
    coalesce(converted.deals, 0) as converted_count,
    case
        when entered.deals > 0 then round(coalesce(converted.deals, 0)::numeric / entered.deals, 4)
        else 0
    end as conversion_rate,
    current_epoch.as_of
from funnelproof.open_window
cross join current_epoch
cross join funnelproof.stage_pair as pair
left join funnelproof.tenant_tiling as own on pair.tenant_id = own.tenant_id
left join tally as entered
    on
        open_window.window_name = entered.window_name
        and open_window.window_start = entered.window_start
        and open_window.window_end = entered.window_end
        and pair.tenant_id = entered.tenant_id
        and pair.pipeline_id = entered.pipeline_id
        and pair.from_stage_id = entered.from_stage_id
        and pair.from_stage_id = entered.to_stage_id
left join tally as converted
    on
        open_window.window_name = converted.window_name
        and open_window.window_start = converted.window_start
        and open_window.window_end = converted.window_end
        and pair.tenant_id = converted.tenant_id
        and pair.pipeline_id = converted.pipeline_id
        and pair.from_stage_id = converted.from_stage_id
        and pair.to_stage_id = converted.to_stage_id
where
    pair.to_stage_id is not null
    and coalesce(own.tiling, '') = any(open_window.tilings)
    and (open_window.window_start <= current_epoch.source_time or entered.deals > 0);
