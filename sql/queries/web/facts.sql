-- The facts of runs of a tenant, in the order of the stages as they are now. A stage that is gone has no name, and comes last.
select
    fact.run_id,
    fact.from_stage_id,
    from_stage.name as from_stage,
    fact.to_stage_id,
    to_stage.name as to_stage,
    fact.entered_count as entered,
    fact.converted_count as converted
from funnelproof.web_fact as fact
left join funnelproof.web_stage as from_stage
    on fact.from_stage_id = from_stage.stage_id and from_stage.tenant_id = $1
left join funnelproof.web_stage as to_stage
    on fact.to_stage_id = to_stage.stage_id and to_stage.tenant_id = $1
where fact.tenant_id = $1 and fact.run_id = any($2::uuid[])
order by from_stage.display_order, fact.from_stage_id, to_stage.display_order, fact.to_stage_id
