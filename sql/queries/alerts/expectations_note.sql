-- Keeps what a rule's detector expects of the window that it looks at, for the page. $1 rule, $2 kind, $3 tiling,
-- $4 start, $5 end of the window, $6 to $9 tenants, pipelines and stages, $10 windows of the baselines, $11 whether they
-- suffice, $12 spreads, $13 probabilities
insert into funnelproof.alert_expectation as known (
    rule, window_name, tiling, window_start, window_end,
    tenant_id, pipeline_id, from_stage_id, to_stage_id, windows, learned, spread, likely
)
select
    $1::text,
    $2::text,
    $3::text,
    $4::timestamptz,
    $5::timestamptz,
    stream.*
from
    unnest(
        $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[],
        $10::integer[], $11::boolean[], $12::float8[], $13::bytea[]
    ) as stream
-- A tenant's windows may have been of another tiling before.
on conflict on constraint alert_expectation_pkey do update
    set
        tiling = excluded.tiling,
        window_start = excluded.window_start,
        window_end = excluded.window_end,
        windows = excluded.windows,
        learned = excluded.learned,
        spread = excluded.spread,
        likely = excluded.likely
