-- Rows of the stage table as they are now; `entered_at` as Debezium writes it, or as Postgres writes it where the instant
-- is outside the years 1 to 9999. $1 row ids, $2 deals: all rows of a deal
select
    entry.id,
    entry.tenant_id,
    entry.deal_id,
    entry.pipeline_id,
    entry.pipeline_stage_id,
    case
        when
            isfinite(entry.entered_at)
            and entry.entered_at >= '0001-01-01 00:00:00Z'
            and entry.entered_at < '10000-01-01 00:00:00Z'
            then to_char(entry.entered_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        else entry.entered_at::text
    end as entered_at
from dyno_crm.deal_pipeline_stage_state as entry
where entry.id = any($1::uuid[]) or entry.deal_id = any($2::uuid[])
