-- A page of pipelines, by tenant and pipeline. $1, $2: the last of the page before. $3: text in an identifier, or null.
select
    pipeline.tenant_id,
    pipeline.pipeline_id,
    pipeline.stages
from funnelproof.web_pipeline as pipeline
where
    (pipeline.tenant_id, pipeline.pipeline_id) > ($1::uuid, $2::uuid)
    and (
        $3::text is null
        or position(lower($3) in pipeline.pipeline_id::text) > 0
        or position(lower($3) in pipeline.tenant_id::text) > 0
    )
order by pipeline.tenant_id, pipeline.pipeline_id
limit $4
