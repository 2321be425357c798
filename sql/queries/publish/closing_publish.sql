-- Publishes runs. A single statement reads partials and progress from a single snapshot.
-- A window that closes gets its first run, unless the pipeline is dormant. $13: the time without an entry after which a
-- pipeline is dormant; null: a pipeline is never dormant.
-- A touched window gets its next run if its counts differ from the run before. The next run keeps the pairs of the run
-- before. For the purpose 'pairs' the next run has the present pairs, and is also published if only the pairs differ.
-- A touched window without a run gets its first run if the window has an entry.
-- For the purpose 'repair' the next run has the pairs that the run before was published with, whatever the facts are now.
-- For the purpose 'repair_pairs' there is a next run with the present pairs in any case.
-- Each run gets the profiles of its facts. A touched window whose counts and pairs are those of its last run gets no run:
-- its last run gets another version of the profiles that have changed.
-- Each candidate is worked out by itself with indexes: the planner cannot estimate joins between the steps of this
-- statement, and would compare all rows with all rows.
with
candidate as (
    select *
    from unnest(
        $3::uuid[], $4::text[]::uuid[], $5::text[]::uuid[], $6::text[],
        $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::uuid[], $11::text[], $12::text[]
    ) as candidate (
        run_id, tenant_id, pipeline_id, window_name,
        window_start, window_end, revision, previous_run_id, timezone, purpose
    )
),

evidence as (
    select
        proof.*,
        installation.installed_at,
        (
            select coalesce(jsonb_object_agg(progress.partition, progress.source_offset), '{}')
            from funnelproof.partition_progress as progress
            where progress.epoch = $1
        ) as positions_now
    from funnelproof.proof
    cross join funnelproof.installation
    where proof.proof_id = $2
),

counted as materialized (
    select
        candidate.*,
        tally.*,
        -- No exists: the planner could hash all partials of the epoch.
        coalesce(
            (
                select true
                from funnelproof.partial
                where
                    partial.epoch = $1
                    and partial.window_start = candidate.window_start
                    and partial.window_name = candidate.window_name
                    and partial.tenant_id = candidate.tenant_id
                    and partial.pipeline_id = candidate.pipeline_id
                    and partial.deals > 0
                limit 1 -- noqa: AM09
            ),
            false
        ) as has_entries
    from candidate
    cross join
        lateral (
            select
                jsonb_agg(
                    jsonb_build_object('from_stage_id', pair.from_stage_id, 'to_stage_id', pair.to_stage_id)
                ) as stage_pairs,
                array_agg(pair.from_stage_id) as from_stage_ids,
                array_agg(pair.to_stage_id) as to_stage_ids,
                array_agg(count.entered) as entered_counts,
                array_agg(count.converted) as converted_counts,
                array_agg(count.entered_profile) as entered_profiles,
                array_agg(count.converted_profile) as converted_profiles,
                count(former.run_id) as former_pairs,
                coalesce(
                    bool_or(
                        (former.entered_count, former.converted_count) <> (count.entered, count.converted)
                    ),
                    false
                ) as counts_differ
            from (
                select
                    stage_pair.from_stage_id,
                    stage_pair.to_stage_id
                from funnelproof.stage_pair
                where
                    (candidate.previous_run_id is null or candidate.purpose in ('pairs', 'repair_pairs'))
                    and stage_pair.tenant_id = candidate.tenant_id
                    and stage_pair.pipeline_id = candidate.pipeline_id
                union all
                select
                    fact.from_stage_id,
                    fact.to_stage_id
                from dyno_crm.report_stage_conversion_fact as fact
                where candidate.purpose = 'counts' and fact.run_id = candidate.previous_run_id
                union all
                select
                    pair.from_stage_id,
                    pair.to_stage_id
                from dyno_crm.report_run as header
                cross join
                    lateral jsonb_to_recordset(header.parameters -> 'stage_pairs') as pair (
                        from_stage_id uuid, to_stage_id uuid
                    )
                where candidate.purpose = 'repair' and header.id = candidate.previous_run_id
            ) as pair
            cross join
                lateral (
                    select
                        coalesce(
                            sum(partial.deals) filter (where partial.to_stage_id = pair.from_stage_id), 0
                        )::bigint as entered,
                        coalesce(
                            sum(partial.deals) filter (where partial.to_stage_id <> pair.from_stage_id), 0
                        )::bigint as converted,
                        coalesce(
                            sum(partial.profile) filter (where partial.to_stage_id = pair.from_stage_id), 0
                        ) as entered_profile,
                        coalesce(
                            sum(partial.profile) filter (where partial.to_stage_id <> pair.from_stage_id), 0
                        ) as converted_profile
                    from funnelproof.partial
                    where
                        partial.epoch = $1
                        and partial.window_start = candidate.window_start
                        and partial.window_name = candidate.window_name
                        and partial.tenant_id = candidate.tenant_id
                        and partial.pipeline_id = candidate.pipeline_id
                        and partial.from_stage_id = pair.from_stage_id
                        and partial.to_stage_id in (pair.from_stage_id, pair.to_stage_id)
                ) as count
            left join dyno_crm.report_stage_conversion_fact as former
                on
                    candidate.previous_run_id = former.run_id
                    and pair.from_stage_id = former.from_stage_id
                    and pair.to_stage_id = former.to_stage_id
        ) as tally
    where tally.stage_pairs is not null
),

worthwhile as (
    select
        counted.*,
        cardinality(counted.from_stage_ids) <> counted.former_pairs
        or counted.former_pairs <> (
            select count(*)
            from dyno_crm.report_stage_conversion_fact as fact
            where fact.run_id = counted.previous_run_id
        ) as pairs_differ,
        -- Several windows close together after a pause: an entry in an earlier window of them counts too.
        max(case when counted.has_entries then counted.window_start end) over (
            partition by counted.tenant_id, counted.pipeline_id
            order by counted.window_start
        ) as last_entered
    from counted
),

published as materialized (
    select
        worthwhile.*,
        note.lowest_lsn,
        note.highest_lsn,
        case
            when worthwhile.purpose = 'close' then '{}'::text[]
            when worthwhile.previous_run_id is null or worthwhile.counts_differ
                then coalesce(
                    note.causes,
                    case when worthwhile.purpose like 'repair%' then '{}'::text[] else '{unknown}' end
                )
            else '{}'
        end
        || case
            when worthwhile.purpose like 'repair%' then '{repair}'
            when worthwhile.previous_run_id is not null and worthwhile.pairs_differ then '{pairs_changed}'
            else '{}'::text[]
        end as causes
    from worthwhile
    cross join evidence
    left join funnelproof.window_run as previous on worthwhile.previous_run_id = previous.run_id
    left join lateral (
        select
            array_agg(distinct why.cause order by why.cause) as causes,
            min(note.lowest_lsn) as lowest_lsn,
            max(note.highest_lsn) as highest_lsn
        from funnelproof.change_note as note
        cross join unnest(note.causes) as why (cause)
        where
            worthwhile.purpose <> 'close'
            and (worthwhile.previous_run_id is null or worthwhile.counts_differ)
            and note.epoch = $1
            and note.tenant_id = worthwhile.tenant_id
            and note.pipeline_id = worthwhile.pipeline_id
            and note.window_name = worthwhile.window_name
            and note.window_start = worthwhile.window_start
            and coalesce(previous.epoch = note.epoch, true)
            and note.source_offset > coalesce((previous.positions ->> note.partition::text)::bigint, -1)
    ) as note on true
    where
        case
            when worthwhile.previous_run_id is not null
                then
                    worthwhile.counts_differ or worthwhile.pairs_differ
                    or worthwhile.purpose = 'repair_pairs'
            when worthwhile.purpose <> 'close' or $13::interval is not null
                then
                    worthwhile.has_entries
                    or (
                        worthwhile.purpose = 'close'
                        and evidence.installed_at < worthwhile.window_end
                        and greatest(
                            worthwhile.last_entered,
                            (
                                select activity.window_start
                                from funnelproof.pipeline_activity as activity
                                where
                                    activity.tenant_id = worthwhile.tenant_id
                                    and activity.pipeline_id = worthwhile.pipeline_id
                            ),
                            evidence.installed_at
                        ) >= worthwhile.window_end - $13::interval
                    )
            else true
        end
),

active as (
    insert into funnelproof.pipeline_activity as known (tenant_id, pipeline_id, window_start)
    select
        published.tenant_id,
        published.pipeline_id,
        max(published.window_start)
    from published
    where published.has_entries
    group by published.tenant_id, published.pipeline_id
    on conflict (tenant_id, pipeline_id) do update
        set window_start = excluded.window_start
        where excluded.window_start > known.window_start
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
            'reasons', to_jsonb(evidence.reasons),
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
        revision, causes, lowest_lsn, highest_lsn, epoch, positions, proof_id
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
        published.lowest_lsn,
        published.highest_lsn,
        $1,
        evidence.positions_now,
        $2
    from published
    cross join evidence
),

queued as (
    insert into funnelproof.outbox (run_id, previous_run_id)
    select
        published.run_id,
        published.previous_run_id
    from published
    -- Oldest windows first. The columns of the order are not selected, so they have no number.
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
        counted.entered,
        counted.converted,
        case
            when counted.entered > 0 then round(counted.converted::numeric / counted.entered, 4)
            else 0
        end
    from published
    cross join lateral unnest(
        published.from_stage_ids, published.to_stage_ids,
        published.entered_counts, published.converted_counts
    ) as counted (from_stage_id, to_stage_id, entered, converted)
),

profile as (
    insert into funnelproof.run_profile (
        run_id, from_stage_id, to_stage_id, entered_count, converted_count, entered, converted, proof_id
    )
    -- A new run has no profile yet. Looking for one would read what this statement inserts, again for every row.
    select
        published.run_id,
        counted.from_stage_id,
        counted.to_stage_id,
        counted.entered_count,
        counted.converted_count,
        counted.entered,
        counted.converted,
        $2
    from published
    cross join
        lateral unnest(
            published.from_stage_ids, published.to_stage_ids,
            published.entered_counts, published.converted_counts,
            published.entered_profiles, published.converted_profiles
        ) as counted (from_stage_id, to_stage_id, entered_count, converted_count, entered, converted)
    where counted.entered_count > 0
    union all
    select
        worthwhile.previous_run_id,
        counted.from_stage_id,
        counted.to_stage_id,
        counted.entered_count,
        counted.converted_count,
        counted.entered,
        counted.converted,
        $2
    from worthwhile
    cross join
        lateral unnest(
            worthwhile.from_stage_ids, worthwhile.to_stage_ids,
            worthwhile.entered_counts, worthwhile.converted_counts,
            worthwhile.entered_profiles, worthwhile.converted_profiles
        ) as counted (from_stage_id, to_stage_id, entered_count, converted_count, entered, converted)
    where
        worthwhile.previous_run_id is not null
        and not worthwhile.counts_differ
        and not worthwhile.pairs_differ
        and counted.entered_count > 0
        and not exists (
            select
            from (
                select
                    known.entered,
                    known.converted
                from funnelproof.run_profile as known
                where
                    known.run_id = worthwhile.previous_run_id
                    and known.from_stage_id = counted.from_stage_id
                    and known.to_stage_id = counted.to_stage_id
                order by known.proof_id desc
                limit 1 -- noqa: AM09
            ) as present
            where (present.entered, present.converted) = (counted.entered, counted.converted)
        )
)

select
    count(*) filter (where published.previous_run_id is null) as closed,
    count(*) filter (where published.previous_run_id is not null) as revised,
    coalesce(sum(jsonb_array_length(published.stage_pairs)), 0) as pairs
from published
