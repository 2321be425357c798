-- The ledger of comparisons: when each closed window was compared with the canonical SQL, and with what outcome.
-- touches dyno_crm.stage_conversion_ledger: view added

-- `outcome` is of all pipelines together, at the comparison that began at `compared_at`. `different_since`: when the
-- first comparison began that found the difference, until a comparison is equal. `revised_at`: when a run that was
-- published after a comparison was seen.
create table funnelproof.window_comparison (
    window_name text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    compared_at timestamptz not null,
    outcome text not null check (outcome in ('equal', 'different', 'undecided')),
    reconciliation_id bigint not null,
    comparisons bigint not null default 1,
    different_since timestamptz,
    revised_at timestamptz,
    primary key (window_name, window_start, window_end),
    foreign key (window_name, window_start, window_end)
    references funnelproof.time_window (window_name, window_start, window_end) on delete cascade
) with (fillfactor = 70);
create index ix_window_comparison_different on funnelproof.window_comparison (different_since)
where different_since is not null;

-- One row: up to which proof runs were searched for windows that were published after their comparison.
create table funnelproof.comparison_cursor (
    singleton boolean primary key default true check (singleton),
    proof_id bigint not null
);

-- Every closed window of every pipeline: when it was closed, proven, revised and compared, and with what outcome.
-- `outdated`: the latest run was published after the comparison. Null: never compared.
create view dyno_crm.stage_conversion_ledger as
with
published as (
    select
        run.tenant_id,
        run.pipeline_id,
        run.window_name,
        run.window_start,
        run.window_end,
        run.run_id,
        run.revision,
        proof.completeness,
        proof.source_time as proven_until,
        header.generated_at as published_at
    from funnelproof.latest_run as run
    inner join funnelproof.proof using (proof_id)
    inner join dyno_crm.report_run as header on run.run_id = header.id
),

missing as (
    select distinct
        difference.tenant_id,
        difference.pipeline_id,
        difference.window_name,
        difference.window_start,
        compared.window_end
    from funnelproof.window_comparison as compared
    inner join funnelproof.difference using (reconciliation_id, window_name, window_start)
    where compared.different_since is not null and difference.run_id is null
),

entry as (
    select published.*
    from published
    union all
    select
        missing.*,
        null::uuid,
        0,
        null::text,
        null::timestamptz,
        null::timestamptz
    from missing
    left join published using (tenant_id, pipeline_id, window_name, window_start)
    where published.run_id is null
)

select
    entry.tenant_id,
    entry.pipeline_id,
    entry.window_name,
    entry.window_start,
    entry.window_end,
    entry.run_id,
    entry.revision,
    entry.completeness,
    entry.proven_until,
    closed.closed_at,
    case when entry.revision > 1 then entry.published_at end as revised_at,
    compared.compared_at,
    case
        when entry.published_at > compared.compared_at then 'outdated'
        when exists (
            select from funnelproof.difference
            where
                difference.reconciliation_id = compared.reconciliation_id
                and difference.tenant_id = entry.tenant_id
                and difference.pipeline_id = entry.pipeline_id
                and difference.window_name = entry.window_name
                and difference.window_start = entry.window_start
        ) then 'different'
        when compared.outcome = 'undecided' then 'undecided'
        when compared.compared_at is not null then 'equal'
    end as outcome,
    compared.comparisons
from entry
inner join funnelproof.time_window as closed using (window_name, window_start, window_end)
left join funnelproof.window_comparison as compared using (window_name, window_start, window_end);
