-- The tiling of a pipeline's windows; no row for a pipeline that is unknown or of another tenant.
select pipeline.tiling
from funnelproof.web_pipeline as pipeline
where pipeline.tenant_id = $1 and pipeline.pipeline_id = $2
