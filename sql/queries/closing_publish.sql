-- Publishes runs, all of them in one statement and so from one snapshot of partials and progress: the first run of
-- a window always, a later one only where its counts differ from the run before it, whose pairs it keeps.
with
candidate as (
    select *
    from unnest(
        $3::uuid[], $4::text[]::uuid[], $5::text[]::uuid[], $6::text[],
        $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::uuid[], $11::text[]
    ) as candidate (
        run_id, tenant_id, pipeline_id, window_name,
        window_start, window_end, revision, previous_run_id, timezone
    )
),

evidence as (
    select
        proof.*,
        (
            select coalesce(jsonb_object_agg(progress.partition, progress.source_offset), '{}')
            from funnelproof.partition_progress as progress
            where progress.epoch = $1
        ) as positions_now
    from funnelproof.proof
    where proof.proof_id = $2
),

pair as (
    select
        candidate.run_id,
        stage_pair.from_stage_id,
        stage_pair.to_stage_id,
        null::bigint as entered_before,
        null::bigint as converted_before
    from candidate
    inner join funnelproof.stage_pair using (tenant_id, pipeline_id)
    where candidate.previous_run_id is null and stage_pair.to_stage_id is not null
    union all
    select
        candidate.run_id,
        fact.from_stage_id,
        fact.to_stage_id,
        fact.entered_count,
        fact.converted_count
    from candidate
    inner join dyno_crm.report_stage_conversion_fact as fact on candidate.previous_run_id = fact.run_id
),

counted as (
    select
        pair.run_id,
        pair.from_stage_id,
        pair.to_stage_id,
        pair.entered_before,
        pair.converted_before,
        coalesce(
            sum(partial.deals) filter (where partial.to_stage_id = pair.from_stage_id), 0
        )::bigint as entered_count,
        coalesce(
            sum(partial.deals) filter (where partial.to_stage_id <> pair.from_stage_id), 0
        )::bigint as converted_count
    from pair
    inner join candidate using (run_id)
    left join funnelproof.partial
        on
            partial.epoch = $1
            and candidate.window_start = partial.window_start
            and candidate.window_name = partial.window_name
            and candidate.tenant_id = partial.tenant_id
            and candidate.pipeline_id = partial.pipeline_id
            and pair.from_stage_id = partial.from_stage_id
            and partial.to_stage_id in (pair.from_stage_id, pair.to_stage_id)
    group by 1, 2, 3, 4, 5
),

cause as (
    select
        candidate.run_id,
        array_agg(distinct why.cause order by why.cause) as causes
    from candidate
    inner join funnelproof.window_run as previous on candidate.previous_run_id = previous.run_id
    inner join funnelproof.change_note as note
        on
            candidate.tenant_id = note.tenant_id
            and candidate.pipeline_id = note.pipeline_id
            and candidate.window_name = note.window_name
            and candidate.window_start = note.window_start
            and previous.epoch = note.epoch
            and note.source_offset
            > coalesce((previous.positions ->> note.partition::text)::bigint, -1)
    cross join unnest(note.causes) as why (cause)
    where note.epoch = $1
    group by 1
),

published as (
    select
        candidate.run_id,
        candidate.tenant_id,
        candidate.pipeline_id,
        candidate.window_name,
        candidate.window_start,
        candidate.window_end,
        candidate.revision,
        candidate.timezone,
        case
            when candidate.previous_run_id is null then coalesce(cause.causes, '{}')
            else coalesce(cause.causes, '{unknown}')
        end as causes,
        jsonb_agg(
            jsonb_build_object(
                'from_stage_id', counted.from_stage_id, 'to_stage_id', counted.to_stage_id
            )
        ) as stage_pairs
    from candidate
    inner join counted using (run_id)
    left join cause using (run_id)
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    having
        bool_or(
            (counted.entered_before, counted.converted_before)
            is distinct from (counted.entered_count, counted.converted_count)
        )
),

header as (
    insert into dyno_crm.report_run (
        id, tenant_id, report_type, generated_at, period_start, period_end, status, parameters
    )
    select
        published.run_id,
        published.tenant_id,
        'STAGE_CONVERSION',
        clock_timestamp(),
        published.window_start,
        published.window_end,
        'COMPLETED',
        jsonb_build_object(
            'pipeline_id', published.pipeline_id,
            'stage_pairs', published.stage_pairs,
            'window', published.window_name,
            'timezone', published.timezone,
            'revision', published.revision,
            'causes', to_jsonb(published.causes),
            'completeness', evidence.completeness,
            'open_transactions', evidence.open_transactions,
            'source_lsn', evidence.source_lsn,
            'positions', evidence.positions_now,
            'origin', 'stream'
        )
    from published
    cross join evidence
),

registered as (
    insert into funnelproof.window_run (
        run_id, tenant_id, pipeline_id, window_name, window_start, window_end,
        revision, causes, epoch, positions, proof_id
    )
    select
        published.run_id,
        published.tenant_id,
        published.pipeline_id,
        published.window_name,
        published.window_start,
        published.window_end,
        published.revision,
        published.causes,
        $1,
        evidence.positions_now,
        $2
    from published
    cross join evidence
),

queued as (
    insert into funnelproof.outbox (run_id)
    select published.run_id
    from published
    -- Oldest windows first; what it is ordered by is not selected, so it has no number.
    order by published.window_end, published.window_start, published.run_id -- noqa: AM06
),

fact as (
    insert into dyno_crm.report_stage_conversion_fact (
        run_id, tenant_id, pipeline_id, from_stage_id, to_stage_id,
        entered_count, converted_count, conversion_rate
    )
    select
        published.run_id,
        published.tenant_id,
        published.pipeline_id,
        counted.from_stage_id,
        counted.to_stage_id,
        counted.entered_count,
        counted.converted_count,
        case
            when counted.entered_count > 0
                then round(counted.converted_count::numeric / counted.entered_count, 4)
            else 0
        end
    from published
    inner join counted using (run_id)
)

select
    count(*) filter (where published.revision = 1) as closed,
    count(*) filter (where published.revision > 1) as revised
from published
