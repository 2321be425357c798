-- Keeps what a rule's detector expects of the window that it looks at, for the page. $1 rule, $2 kind, $3 tiling,
-- $4 start, $5 end of the window, $6 to $9 tenants, pipelines and stages, $10 windows of the baselines, $11 whether they
-- suffice, $12 spreads, $13 probabilities
with
stream as (
    select each.*
    from
        unnest(
            $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[],
            $10::integer[], $11::boolean[], $12::float8[], $13::bytea[]
        ) as each (tenant_id, pipeline_id, from_stage_id, to_stage_id, windows, learned, spread, likely)
),

gone as (
    delete from funnelproof.alert_expectation as old
    where
        old.rule = $1
        and old.window_name = $2
        and old.tiling = $3
        and (old.tenant_id, old.pipeline_id, old.from_stage_id, old.to_stage_id) not in (
            select
                stream.tenant_id,
                stream.pipeline_id,
                stream.from_stage_id,
                stream.to_stage_id
            from stream
        )
)

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
from stream
on conflict on constraint alert_expectation_pkey do update
    set
        tiling = excluded.tiling,
        window_start = excluded.window_start,
        window_end = excluded.window_end,
        windows = excluded.windows,
        learned = excluded.learned,
        spread = excluded.spread,
        likely = excluded.likely
