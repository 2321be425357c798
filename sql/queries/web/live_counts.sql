-- The counts of the pairs of a pipeline in an open window, in the order of the stages.
with
tally as (
    select
        partial.from_stage_id,
        partial.to_stage_id,
        sum(partial.deals)::bigint as deals
    from funnelproof.web_partial as partial
    where
        partial.tenant_id = $1
        and partial.pipeline_id = $2
        and partial.window_name = $3
        and partial.window_start = $4
        and partial.window_end = $5
    group by partial.from_stage_id, partial.to_stage_id
)

select
    pair.from_stage_id,
    pair.from_stage,
    pair.to_stage_id,
    pair.to_stage,
    coalesce(entered.deals, 0) as entered,
    coalesce(converted.deals, 0) as converted
from funnelproof.web_pair as pair
inner join funnelproof.web_stage as stage
    on pair.from_stage_id = stage.stage_id and stage.tenant_id = $1 and stage.pipeline_id = $2
left join tally as entered
    on pair.from_stage_id = entered.from_stage_id and pair.from_stage_id = entered.to_stage_id
left join tally as converted
    on pair.from_stage_id = converted.from_stage_id and pair.to_stage_id = converted.to_stage_id
where pair.tenant_id = $1 and pair.pipeline_id = $2 and pair.to_stage_id is not null
order by stage.display_order, stage.stage_id, pair.to_stage_id
