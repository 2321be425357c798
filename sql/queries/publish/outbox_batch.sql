-- The oldest events that are not published yet, in the order of their runs' commits. The event of a run that was
-- deleted since is null. schemas/events/facts.schema.json describes an event. $1 number of events
with
waiting as (
    select
        outbox.event_id,
        outbox.run_id,
        outbox.previous_run_id
    from funnelproof.outbox
    order by outbox.event_id
    limit $1
)

select
    waiting.event_id,
    run.tenant_id || '/' || run.pipeline_id as key,
    case
        when run.run_id is not null
            then
                json_build_object(
                    'schema_version', 1,
                    'sequence', waiting.event_id,
                    'run_id', run.run_id,
                    'tenant_id', run.tenant_id,
                    'pipeline_id', run.pipeline_id,
                    'window_name', run.window_name,
                    'window_start', run.window_start,
                    'window_end', run.window_end,
                    'timezone', header.parameters ->> 'timezone',
                    'revision', run.revision,
                    'causes', run.causes,
                    'completeness', proof.completeness,
                    'reasons', proof.reasons,
                    'source_lsn', proof.source_lsn,
                    'positions', run.positions,
                    'closed_at', header.generated_at,
                    'pairs', pair.pairs
                )::text
    end as event
from waiting
left join funnelproof.window_run as run using (run_id)
left join funnelproof.proof using (proof_id)
left join dyno_crm.report_run as header on run.run_id = header.id
left join lateral (
    select
        coalesce(
            json_agg(
                json_build_object(
                    'from_stage_id', fact.from_stage_id,
                    'from_stage', from_stage.name,
                    'to_stage_id', fact.to_stage_id,
                    'to_stage', to_stage.name,
                    'entered_count', fact.entered_count,
                    'converted_count', fact.converted_count,
                    'conversion_rate', fact.conversion_rate,
                    'entered_before', fact_before.entered_count,
                    'converted_before', fact_before.converted_count
                )
                order by
                    from_stage.display_order,
                    fact.from_stage_id,
                    to_stage.display_order,
                    fact.to_stage_id
            ),
            '[]'
        ) as pairs
    from dyno_crm.report_stage_conversion_fact as fact
    left join dyno_crm.report_stage_conversion_fact as fact_before
        on
            waiting.previous_run_id = fact_before.run_id
            and fact.from_stage_id = fact_before.from_stage_id
            and fact.to_stage_id = fact_before.to_stage_id
    left join funnelproof.pipeline_stage as from_stage on fact.from_stage_id = from_stage.stage_id
    left join funnelproof.pipeline_stage as to_stage on fact.to_stage_id = to_stage.stage_id
    where fact.run_id = run.run_id
) as pair on true
order by waiting.event_id
