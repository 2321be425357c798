-- Adds transitions, each once, and a delivery to each of their receivers. A transition that is known stays as it is, with
-- its deliveries. The newest transition of an alert's track takes the place of the one that stood.
-- $1 transitions as a JSON array, in the order of their decisions; $2, $3 event and receiver of each delivery
with
decided as (
    select transition.*
    from jsonb_to_recordset($1::text::jsonb) as transition (
        place integer,
        event_id uuid,
        alert_id uuid,
        number integer,
        rule text,
        kind text,
        tenant_id uuid,
        pipeline_id uuid,
        from_stage_id uuid,
        to_stage_id uuid,
        window_name text,
        window_start timestamptz,
        window_end timestamptz,
        step text,
        is_verdict boolean,
        at timestamptz,
        decided_at timestamptz,
        run_id uuid,
        source_lsn pg_lsn,
        severity text,
        runbook text,
        evidence jsonb
    )
),

added as (
    insert into funnelproof.alert_event (
        event_id,
        alert_id,
        number,
        rule,
        kind,
        tenant_id,
        pipeline_id,
        from_stage_id,
        to_stage_id,
        window_name,
        window_start,
        window_end,
        transition,
        stands,
        at,
        decided_at,
        run_id,
        source_lsn,
        severity,
        runbook,
        content
    )
    select
        decided.event_id,
        decided.alert_id,
        decided.number,
        decided.rule,
        decided.kind,
        decided.tenant_id,
        decided.pipeline_id,
        decided.from_stage_id,
        decided.to_stage_id,
        decided.window_name,
        decided.window_start,
        decided.window_end,
        decided.step,
        decided.number = max(decided.number) over (partition by decided.alert_id, decided.is_verdict),
        decided.at,
        decided.decided_at,
        decided.run_id,
        decided.source_lsn,
        decided.severity,
        decided.runbook,
        decided.evidence
    from decided
    order by decided.place
    on conflict (event_id) do nothing
    returning event_id, event_number, alert_id, number, is_verdict, decided_at
),

superseded as (
    update funnelproof.alert_event as former
    set stands = false
    from added
    where
        former.alert_id = added.alert_id
        and former.is_verdict = added.is_verdict
        and former.number < added.number
        and former.stands
),

deliveries as (
    insert into funnelproof.alert_delivery (event_id, receiver, event_number, alert_id, enqueued_at)
    select
        added.event_id,
        told.receiver,
        added.event_number,
        added.alert_id,
        added.decided_at
    from added
    inner join unnest($2::uuid[], $3::text[]) as told (event_id, receiver) using (event_id)
)

select count(*) from added
