-- Takes the latest runs of a kind's closed windows, and their pairs of stages. Runs of a pipeline with equal pairs
-- share a set of pairs. $1 tenant, $2 pipeline, $3 window name; $4 the starts of the windows; $5 windows that end by $5
with
published as materialized (
    select
        run.run_id,
        run.tenant_id,
        run.pipeline_id,
        run.window_start,
        run.window_end,
        header.parameters -> 'stage_pairs' as stage_pairs
    from funnelproof.latest_run as run
    inner join dyno_crm.report_run as header on run.run_id = header.id
    where
        ($1::uuid is null or run.tenant_id = $1)
        and ($2::uuid is null or run.pipeline_id = $2)
        and run.window_name = $3
        and run.window_start = any($4::timestamptz[])
        and ($5::timestamptz is null or run.window_end <= $5)
),

pair_set as materialized (
    select
        published.tenant_id,
        published.pipeline_id,
        published.stage_pairs,
        row_number() over () as pair_set
    from published
    group by published.tenant_id, published.pipeline_id, published.stage_pairs
),

pairs as (
    insert into sifted_pair (pair_set, tenant_id, pipeline_id, from_stage_id, to_stage_id)
    select distinct
        pair_set.pair_set,
        pair_set.tenant_id,
        pair_set.pipeline_id,
        pair.from_stage_id,
        pair.to_stage_id
    from pair_set
    cross join
        lateral jsonb_to_recordset(pair_set.stage_pairs) as pair (from_stage_id uuid, to_stage_id uuid)
)

insert into sifted_run (run_id, tenant_id, pipeline_id, window_start, window_end, pair_set)
select
    published.run_id,
    published.tenant_id,
    published.pipeline_id,
    published.window_start,
    published.window_end,
    pair_set.pair_set
from published
inner join pair_set using (tenant_id, pipeline_id, stage_pairs)
