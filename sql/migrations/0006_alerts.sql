-- What became of every alert, and who is to be told of it.
-- touches dyno_crm.stage_conversion_alert_event: view added

-- Transitions of alerts, each once. `number` counts the transitions of an alert from 1; event_id is made of alert and
-- number (streams/alerts/transition.py), so a transition that is decided twice stays one row. event_number is the order of
-- the decisions. An alert has two tracks: its verdict (fired, resolved, retracted), and what keeps it from a verdict (held,
-- released, invalid). `stands`: the track has no later transition. No references: runs and stages may be deleted.
create table funnelproof.alert_event (
    event_id uuid primary key,
    event_number bigint generated always as identity,
    alert_id uuid not null,
    number integer not null check (number >= 1),
    rule text not null,
    kind text not null,
    tenant_id uuid,
    pipeline_id uuid,
    from_stage_id uuid,
    to_stage_id uuid,
    window_name text,
    window_start timestamptz,
    window_end timestamptz,
    transition text not null
    check (transition in ('fired', 'resolved', 'retracted', 'held', 'released', 'invalid')),
    is_verdict boolean not null
    generated always as (transition in ('fired', 'resolved', 'retracted')) stored,
    stands boolean not null,
    at timestamptz not null,
    decided_at timestamptz not null,
    run_id uuid,
    source_lsn pg_lsn,
    severity text not null,
    runbook text,
    content jsonb not null,
    unique (alert_id, number)
);
create index ix_alert_event_number on funnelproof.alert_event (event_number);
create index ix_alert_event_scope on funnelproof.alert_event (tenant_id, pipeline_id, event_number);
create index ix_alert_event_on on funnelproof.alert_event (alert_id)
where stands and transition in ('fired', 'held', 'invalid');

-- Who is to be told of a transition: a row per receiver. `message_id`: the message that carries the transition, where
-- one message carries several. A row waits until it is delivered or given up.
create table funnelproof.alert_delivery (
    event_id uuid not null references funnelproof.alert_event (event_id) on delete cascade,
    receiver text not null,
    event_number bigint not null,
    alert_id uuid not null,
    enqueued_at timestamptz not null,
    message_id uuid,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default '-infinity',
    last_error text,
    delivered_at timestamptz,
    given_up_at timestamptz,
    primary key (event_id, receiver)
) with (fillfactor = 70);
create index ix_alert_delivery_waiting on funnelproof.alert_delivery (receiver, event_number)
where delivered_at is null and given_up_at is null;
create index ix_alert_delivery_order on funnelproof.alert_delivery (receiver, alert_id, event_number)
where delivered_at is null and given_up_at is null;
create index ix_alert_delivery_delivered on funnelproof.alert_delivery (receiver, delivered_at)
where delivered_at is not null;
create index ix_alert_delivery_given_up on funnelproof.alert_delivery (receiver)
where given_up_at is not null;

-- Every transition once, with the run that it rests on.
create view dyno_crm.stage_conversion_alert_event as
select
    event.event_id,
    event.alert_id,
    event.number,
    event.rule,
    event.kind,
    event.transition,
    event.at,
    event.decided_at,
    event.severity,
    event.tenant_id,
    event.pipeline_id,
    event.window_name,
    event.window_start,
    event.window_end,
    event.from_stage_id,
    event.content ->> 'from_stage' as from_stage,
    event.to_stage_id,
    event.content ->> 'to_stage' as to_stage,
    (event.content ->> 'entered')::bigint as entered_count,
    (event.content ->> 'converted')::bigint as converted_count,
    (event.content ->> 'expected')::double precision as expected_count,
    (event.content ->> 'low')::double precision as expected_low,
    (event.content ->> 'high')::double precision as expected_high,
    (event.content ->> 'rate')::double precision as conversion_rate,
    (event.content ->> 'expected_rate')::double precision as expected_rate,
    (event.content ->> 'odds')::double precision as odds,
    event.content ->> 'budget' as budget,
    (event.content ->> 'since')::timestamptz as since,
    event.content ->> 'reason' as reason,
    event.run_id,
    run.revision,
    coalesce(proof.completeness, event.content ->> 'completeness') as completeness,
    event.source_lsn,
    event.runbook
from funnelproof.alert_event as event
left join funnelproof.window_run as run using (run_id)
left join funnelproof.proof using (proof_id);
