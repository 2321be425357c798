-- Requests the present pairs of stages for closed windows that have other pairs, of the kinds that are counted now.
-- Looks at $10 windows after the window $6 to $9, the last window of the call before; returns the last window looked
-- at, and the number of requests.
with
looked_at as (
    select
        run.run_id,
        run.tenant_id,
        run.pipeline_id,
        run.window_name,
        run.window_start,
        run.window_end
    from funnelproof.latest_run as run
    inner join funnelproof.installation on true
    inner join funnelproof.epoch as present
        on installation.epoch = present.epoch and run.window_name = any(present.windows)
    where
        ($1::uuid is null or run.tenant_id = $1)
        and ($2::uuid is null or run.pipeline_id = $2)
        and ($3::text is null or run.window_name = $3)
        and ($4::timestamptz is null or run.window_start >= $4)
        and ($5::timestamptz is null or run.window_end <= $5)
        and (
            $6::timestamptz is null
            or (run.window_start, run.window_name, run.tenant_id, run.pipeline_id) > ($6, $7, $8, $9)
        )
    order by run.window_start, run.window_name, run.tenant_id, run.pipeline_id
    limit $10
),

present as (
    select
        pair.tenant_id,
        pair.pipeline_id,
        array_agg(array[pair.from_stage_id, pair.to_stage_id] order by pair.from_stage_id, pair.to_stage_id)
            as pairs
    from funnelproof.stage_pair as pair
    group by pair.tenant_id, pair.pipeline_id
),

published as (
    select
        fact.run_id,
        array_agg(array[fact.from_stage_id, fact.to_stage_id] order by fact.from_stage_id, fact.to_stage_id)
            as pairs
    from looked_at
    inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
    group by fact.run_id
),

requested as (
    insert into funnelproof.touched_window as touched (
        tenant_id, pipeline_id, window_name, window_start, window_end, touched_at, present_pairs
    )
    select
        looked_at.tenant_id,
        looked_at.pipeline_id,
        looked_at.window_name,
        looked_at.window_start,
        looked_at.window_end,
        clock_timestamp(),
        true
    from looked_at
    inner join present using (tenant_id, pipeline_id)
    left join published using (run_id)
    where present.pairs is distinct from published.pairs
    on conflict (tenant_id, pipeline_id, window_name, window_start) do update set present_pairs = true
    returning touched.window_start
)

select
    looked_at.window_start,
    looked_at.window_name,
    looked_at.tenant_id,
    looked_at.pipeline_id,
    (select count(*) from requested) as requested
from looked_at
order by
    looked_at.window_start desc,
    looked_at.window_name desc,
    looked_at.tenant_id desc,
    looked_at.pipeline_id desc
limit 1
