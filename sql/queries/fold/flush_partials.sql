-- Writes the absolute counts and profiles of accepted partitions.
insert into funnelproof.partial as partial (
    epoch, partition, flush, tenant_id, pipeline_id, window_name, window_start, window_end,
    from_stage_id, to_stage_id, deals, profile
)
select
    $1,
    counted.partition,
    counted.flush,
    counted.tenant_id,
    counted.pipeline_id,
    counted.window_name,
    counted.window_start,
    counted.window_end,
    counted.from_stage_id,
    counted.to_stage_id,
    counted.deals,
    counted.profile
from
    unnest(
        $2::integer[], $3::bigint[], $4::text[]::uuid[], $5::text[]::uuid[], $6::text[],
        $7::timestamptz[], $8::timestamptz[], $9::text[]::uuid[], $10::text[]::uuid[], $11::bigint[],
        $12::text[]::numeric[]
    )
        as counted (
            partition, flush, tenant_id, pipeline_id, window_name, window_start, window_end,
            from_stage_id, to_stage_id, deals, profile
        )
on conflict (
    window_start, window_name, tenant_id, pipeline_id, from_stage_id, to_stage_id, partition, epoch
) do update
    set deals = excluded.deals, profile = excluded.profile, flush = excluded.flush
