-- The query as it was first written, with the least change that makes it parse; its words are kept, its defects too.
-- Changed: parameters are numbered ($1 tenant_id, $2 pipeline_id, $3 period_start, $4 period_end, $5 stage_pairs,
-- $6 run_id) and two of them are cast where nothing else tells their type; one comment that ran over its line
-- ("(deduplicate re-entries)") is a comment again. Nothing else.
WITH stage_ordering AS (
    -- Derive consecutive stage pairs when stage_pairs is null
    SELECT ps.pipeline_id, ps.id AS from_stage_id, ps_next.id AS to_stage_id
    FROM dyno_crm.pipeline_stage ps
    JOIN dyno_crm.pipeline_stage ps_next
        ON ps_next.pipeline_id = ps.pipeline_id
        AND ps_next.display_order = ps.display_order + 1
    WHERE ps.pipeline_id = $2
),
input_pairs AS (
    SELECT p.pipeline_id, p.from_stage_id, p.to_stage_id
    FROM jsonb_to_recordset($5::jsonb) AS p(pipeline_id UUID,
from_stage_id UUID, to_stage_id UUID)
    WHERE p.pipeline_id = $2
),
pairs AS (
    SELECT pipeline_id, from_stage_id, to_stage_id
    FROM (
        SELECT * FROM input_pairs
        UNION ALL
        SELECT * FROM stage_ordering
    ) AS sp
),
stage_entries AS (
    -- For each deal and stage, pick the earliest entry in the period (deduplicate re-entries)
    SELECT DISTINCT ON (dpss.deal_id, dpss.pipeline_stage_id)
        dpss.deal_id,
        dpss.pipeline_stage_id AS stage_id,
        dpss.entered_at
    FROM dyno_crm.deal_pipeline_stage_state dpss
    WHERE dpss.tenant_id = $1
      AND dpss.pipeline_id = $2
      AND dpss.entered_at >= $3
      AND dpss.entered_at < $4
    ORDER BY dpss.deal_id, dpss.pipeline_stage_id, dpss.entered_at
),
conversions AS (
  SELECT
    p.pipeline_id,
    p.from_stage_id,
    p.to_stage_id,
    COUNT(DISTINCT se_from.deal_id) AS entered_count,
    COUNT(DISTINCT se_to.deal_id) AS converted_count
  FROM pairs p
  LEFT JOIN stage_entries se_from
    ON se_from.stage_id = p.from_stage_id
  LEFT JOIN stage_entries se_to
    ON se_to.stage_id = p.to_stage_id
    AND se_to.deal_id = se_from.deal_id
    AND se_to.entered_at > se_from.entered_at
  GROUP BY p.pipeline_id, p.from_stage_id, p.to_stage_id
)
SELECT
  $6::uuid AS run_id,
  $1::uuid AS tenant_id,
  c.pipeline_id,
  c.from_stage_id,
  c.to_stage_id,
  c.entered_count,
  c.converted_count,
  CASE WHEN c.entered_count > 0 THEN
    ROUND((c.converted_count::NUMERIC / c.entered_count), 4)
    ELSE 0
  END AS conversion_rate
FROM conversions c;
