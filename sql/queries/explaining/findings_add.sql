-- Adds findings; returns the id of each, by its place among the given ones. Columns of equal length, in the table's order.
with
given as (
    select *
    from unnest(
        $1::integer[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::uuid[],
        $8::integer[], $9::uuid[], $10::uuid[], $11::text[], $12::uuid[], $13::bigint[], $14::bigint[],
        $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[]
    ) as given (
        place, tenant_id, pipeline_id, window_name, window_start, window_end, run_id, revision, from_stage_id,
        to_stage_id, fault, deal_id, source_entered, source_converted, log_entered, log_converted,
        partials_entered, partials_converted, facts_entered, facts_converted, sentence
    )
),

numbered as materialized (
    select
        nextval(pg_get_serial_sequence('funnelproof.finding', 'finding_id')) as finding_id,
        given.*
    from given
),

added as (
    insert into funnelproof.finding (
        finding_id, tenant_id, pipeline_id, window_name, window_start, window_end, run_id, revision,
        from_stage_id, to_stage_id, fault, deal_id, source_entered, source_converted, log_entered,
        log_converted, partials_entered, partials_converted, facts_entered, facts_converted, sentence
    ) overriding system value
    select
        numbered.finding_id,
        numbered.tenant_id,
        numbered.pipeline_id,
        numbered.window_name,
        numbered.window_start,
        numbered.window_end,
        numbered.run_id,
        numbered.revision,
        numbered.from_stage_id,
        numbered.to_stage_id,
        numbered.fault,
        numbered.deal_id,
        numbered.source_entered,
        numbered.source_converted,
        numbered.log_entered,
        numbered.log_converted,
        numbered.partials_entered,
        numbered.partials_converted,
        numbered.facts_entered,
        numbered.facts_converted,
        numbered.sentence
    from numbered
)

select
    numbered.place,
    numbered.finding_id
from numbered
