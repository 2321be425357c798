-- Findings: why a pair of stages differs from the canonical SQL, down to the deals and to the rows of the log.

-- `resolved_at`: a later comparison found the window equal. An explanation of the window replaces unresolved findings. The
-- counts are those of four witnesses: the canonical SQL, the log, the partials, the facts; null where a witness says nothing.
create table funnelproof.finding (
    finding_id bigint generated always as identity primary key,
    found_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    run_id uuid,
    revision integer not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    fault text not null check (
        fault in (
            'lost', 'ghost', 'stale', 'dead_letter', 'wrong_partition', 'missing_in_state', 'partial_edited',
            'fact_edited', 'run_deleted', 'run_added', 'pairs_changed', 'sealed', 'unknown'
        )
    ),
    deal_id uuid,
    source_entered bigint,
    source_converted bigint,
    log_entered bigint,
    log_converted bigint,
    partials_entered bigint,
    partials_converted bigint,
    facts_entered bigint,
    facts_converted bigint,
    sentence text not null
);
create index ix_finding_window on funnelproof.finding (
    tenant_id, pipeline_id, window_name, window_start
) where resolved_at is null;
create index ix_finding_age on funnelproof.finding (coalesce(resolved_at, found_at));

-- The rows of a finding. `record_key`, `partition` and `version` (an LSN, 0 after a snapshot) are of the row's last record
-- in the log; null without a record. `belongs_to`: the partition in which the record should be.
create table funnelproof.finding_row (
    finding_id bigint not null references funnelproof.finding on delete cascade,
    place integer not null,
    row_id uuid not null,
    record_key bytea,
    partition integer,
    belongs_to integer,
    version bigint,
    in_source boolean not null,
    primary key (finding_id, place)
);

-- The page's view of findings.
create view funnelproof.web_finding with (security_barrier) as
select finding.*
from funnelproof.finding
where
    (select funnelproof.web_sees_all())
    or finding.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_finding_row with (security_barrier) as
select concerned.*
from funnelproof.finding
inner join funnelproof.finding_row as concerned using (finding_id)
where
    (select funnelproof.web_sees_all())
    or finding.tenant_id = any((select funnelproof.web_tenants())::uuid[]);
