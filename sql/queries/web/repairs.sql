-- A page of repairs, the newest first. $1 to $4: tenant, pipeline, kind and start of a window that the repairs publish anew, null
-- for all repairs. $5: the last one of the page before, or null. $6: the most.
select repair.*
from funnelproof.web_repair as repair
where
    ($5::bigint is null or repair.repair_id < $5)
    and (
        $1::uuid is null
        or repair.repair_id in (
            select action.repair_id
            from funnelproof.web_repair_action as action
            where
                action.tenant_id = $1
                and action.pipeline_id = $2
                and action.window_name = $3
                and action.window_start = $4
        )
    )
order by repair.repair_id desc
limit $6
