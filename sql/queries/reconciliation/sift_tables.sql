-- Makes the session's own tables for a batch: the runs, the pairs of their sets, and the counts of the canonical SQL.
create temporary table sifted_run (
    run_id uuid not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    pair_set integer not null
);
-- The planner may misjudge the number of rows that look for their run.
create index ix_sifted_run on sifted_run (window_start, pipeline_id, tenant_id);
create temporary table sifted_pair (
    pair_set integer not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null
);
create temporary table sifted_count (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    entered_count bigint not null,
    converted_count bigint not null
)
