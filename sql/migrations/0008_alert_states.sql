-- What the evaluator of alerts knows: which evaluator is active, how far each rule has looked, and the state of each alert.
-- touches dyno_crm.stage_conversion_alert: view added

-- One row: the active evaluator. `term` grows with every evaluator that becomes active; an evaluator of a former term
-- writes nothing any more. `held`: why no alert has a verdict now; null: alerts have verdicts.
create table funnelproof.alert_term (
    singleton boolean primary key default true check (singleton),
    term bigint not null,
    evaluator text not null,
    begun_at timestamptz not null,
    looked_at timestamptz not null,
    proven_until timestamptz,
    held text,
    held_since timestamptz,
    broken_rules text[] not null default '{}',
    broken_since timestamptz
) with (fillfactor = 50);

-- How far a rule has looked at the windows of a kind and tiling: the start of the last closed window, and the last
-- publication. `digest`: the meaning of the rule. `memory`: streams and detector after the close of the last window, with the
-- publications up to `memory_proof_id`.
create table funnelproof.alert_cursor (
    rule text not null,
    window_name text not null,
    tiling text not null,
    digest text not null,
    closed_start timestamptz,
    proof_id bigint not null,
    memory bytea,
    memory_proof_id bigint,
    primary key (rule, window_name, tiling)
);

-- Alerts that are or were on. `number`: the alert's last transition.
create table funnelproof.alert_state (
    alert_id uuid primary key,
    rule text not null,
    kind text not null,
    severity text not null,
    window_name text not null,
    tiling text not null,
    tenant_id uuid not null,
    pipeline_id uuid not null,
    from_stage_id uuid not null,
    to_stage_id uuid,
    state text not null check (state in ('inactive', 'pending', 'firing')),
    number integer not null,
    active_since timestamptz,
    recovered_at timestamptz,
    fired_at timestamptz,
    is_held boolean not null default false,
    window_start timestamptz not null,
    window_end timestamptz not null,
    content jsonb not null,
    changed_at timestamptz not null
);
create index ix_alert_state_rule on funnelproof.alert_state (rule, window_name, tiling);
create index ix_alert_state_on on funnelproof.alert_state (tenant_id, pipeline_id) where state <> 'inactive';

-- Silences: alerts of the scope are shown and published to Kafka, and told to no other receiver. Null: every one.
-- `told_at`: since when the receivers know of the alerts that outlasted the silence.
create table funnelproof.alert_silence (
    silence_id bigint generated always as identity primary key,
    rule text,
    tenant_id uuid,
    pipeline_id uuid,
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    reason text not null,
    author text not null,
    created_at timestamptz not null default clock_timestamp(),
    told_at timestamptz
);
create index ix_alert_silence_untold on funnelproof.alert_silence (ends_at) where told_at is null;

-- Alerts that are on now, each with the evidence of its last look at which something changed.
create view dyno_crm.stage_conversion_alert as
select
    alert.alert_id,
    alert.rule,
    alert.kind,
    alert.severity,
    case
        when alert.is_held then 'held'
        when silence.silence_id is not null then 'silenced'
        else alert.state
    end as state,
    alert.tenant_id,
    alert.content ->> 'tenant' as tenant,
    alert.pipeline_id,
    alert.content ->> 'pipeline' as pipeline,
    alert.window_name,
    alert.window_start,
    alert.window_end,
    alert.from_stage_id,
    alert.content ->> 'from_stage' as from_stage,
    alert.to_stage_id,
    alert.content ->> 'to_stage' as to_stage,
    (alert.content ->> 'entered')::bigint as entered_count,
    (alert.content ->> 'converted')::bigint as converted_count,
    (alert.content ->> 'expected')::double precision as expected_count,
    (alert.content ->> 'low')::double precision as expected_low,
    (alert.content ->> 'high')::double precision as expected_high,
    (alert.content ->> 'rate')::double precision as conversion_rate,
    (alert.content ->> 'expected_rate')::double precision as expected_rate,
    (alert.content ->> 'odds')::double precision as odds,
    alert.content ->> 'budget' as budget,
    alert.active_since,
    alert.fired_at,
    case when alert.is_held then term.held end as held,
    silence.ends_at as silenced_until,
    silence.reason as silence_reason,
    alert.changed_at
from funnelproof.alert_state as alert
left join funnelproof.alert_term as term on true
left join lateral (
    select found.*
    from funnelproof.alert_silence as found
    where
        coalesce(found.rule = alert.rule, true)
        and coalesce(found.tenant_id = alert.tenant_id, true)
        and coalesce(found.pipeline_id = alert.pipeline_id, true)
        and found.starts_at <= clock_timestamp()
        and found.ends_at > clock_timestamp()
    order by found.ends_at desc
    limit 1
) as silence on true
where alert.state <> 'inactive';
