-- Counts a deal too many in the first stage $2 of the pipeline $1, as a damaged store would.
update funnelproof.partial as damaged
set deals = damaged.deals + 1, profile = damaged.profile + 1
where
    damaged.pipeline_id = $1
    and damaged.from_stage_id = $2
    and damaged.to_stage_id = $2
