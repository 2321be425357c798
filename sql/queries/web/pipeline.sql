-- A pipeline's names, the tiling and the timezone of its windows; no row for a pipeline that is unknown or of another tenant.
select
    pipeline.tenant,
    pipeline.pipeline,
    pipeline.tiling,
    coalesce(
        (
            select own.timezone
            from funnelproof.web_timezone as own
            where own.tenant_id is null or own.tenant_id = $1
            order by own.tenant_id is null, own.since desc nulls last
            limit 1
        ),
        'UTC'
    ) as timezone
from funnelproof.web_pipeline as pipeline
where pipeline.tenant_id = $1 and pipeline.pipeline_id = $2
