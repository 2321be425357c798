-- Funnelproof's counts in the shape of `bench.result`: those that its live view and its closing sum up.
create or replace view bench.result as
with counts as (
    select
        partial.window_name,
        partial.tenant_id,
        partial.pipeline_id,
        partial.window_start,
        partial.from_stage_id,
        partial.to_stage_id,
        sum(partial.deals)::bigint as deals
    from funnelproof.partial
    inner join funnelproof.installation using (epoch)
    group by 1, 2, 3, 4, 5, 6
),

pairs as (
    select
        id as from_stage_id,
        lead(id) over (
            partition by pipeline_id
            order by display_order
        ) as to_stage_id
    from bench.stage
)

select
    entered.window_name,
    entered.tenant_id,
    entered.pipeline_id,
    entered.window_start,
    pairs.from_stage_id,
    pairs.to_stage_id,
    entered.deals as entered_count,
    coalesce(converted.deals, 0) as converted_count
from counts as entered
inner join pairs
    on
        entered.from_stage_id = pairs.from_stage_id
        and entered.to_stage_id = pairs.from_stage_id
left join counts as converted
    on
        entered.window_name = converted.window_name
        and entered.window_start = converted.window_start
        and entered.pipeline_id = converted.pipeline_id
        and pairs.from_stage_id = converted.from_stage_id
        and pairs.to_stage_id = converted.to_stage_id
where pairs.to_stage_id is not null
