-- A page of pipelines, by tenant and pipeline. $1, $2: the last of the page before. $3: text in a name or identifier, or null.
select
    pipeline.tenant_id,
    pipeline.tenant,
    pipeline.pipeline_id,
    pipeline.pipeline,
    pipeline.stages
from funnelproof.web_pipeline as pipeline
where
    (pipeline.tenant_id, pipeline.pipeline_id) > ($1::uuid, $2::uuid)
    and (
        $3::text is null
        or position(
            lower($3)
            in lower(
                concat_ws(' ', pipeline.pipeline, pipeline.tenant, pipeline.pipeline_id, pipeline.tenant_id)
            )
        ) > 0
    )
order by pipeline.tenant_id, pipeline.pipeline_id
limit $4
