-- True if a closed window of a kind has a profile of one of the pairs (without a second stage: of any pair that begins with
-- the stage). $1 kind, $2 first start, $3 tenants, $4 pipelines, $5 first stages, $6 second stages
select
    exists(
        select
        from
            unnest($3::text[]::uuid[], $4::text[]::uuid[], $5::text[]::uuid[], $6::text[]::uuid[])
                as wanted (
                    tenant_id, pipeline_id, from_stage_id, to_stage_id
                )
        inner join funnelproof.window_run as run using (tenant_id, pipeline_id)
        inner join funnelproof.run_profile as profile using (run_id, from_stage_id)
        where
            run.window_name = $1
            and run.window_start >= $2
            and coalesce(wanted.to_stage_id = profile.to_stage_id, true)
    )
