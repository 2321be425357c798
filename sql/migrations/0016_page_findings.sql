-- What the page reads of findings and repairs, and by what it knows that a run was published.

-- The page asks for all findings of a window, the resolved ones, too.
drop index funnelproof.ix_finding_window;
create index ix_finding_window on funnelproof.finding (
    tenant_id, pipeline_id, window_name, window_start, finding_id
);
create index ix_repair_action_window on funnelproof.repair_action (
    tenant_id, pipeline_id, window_name, window_start
);

-- The page's view of findings, with the names of tenant, pipeline and stages.
create or replace view funnelproof.web_finding with (security_barrier) as
select
    finding.*,
    (
        select label.name from funnelproof.label
        where label.kind = 'tenant' and label.id = finding.tenant_id
    ) as tenant,
    (
        select label.name from funnelproof.label
        where label.kind = 'pipeline' and label.id = finding.pipeline_id
    ) as pipeline,
    (
        select stage.name from funnelproof.pipeline_stage as stage
        where stage.stage_id = finding.from_stage_id and stage.tenant_id = finding.tenant_id
    ) as from_stage,
    (
        select stage.name from funnelproof.pipeline_stage as stage
        where stage.stage_id = finding.to_stage_id and stage.tenant_id = finding.tenant_id
    ) as to_stage
from funnelproof.finding
where
    (select funnelproof.web_sees_all())
    or finding.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- The page's view of what repairs do: the actions for the reader's tenants. An action without a tenant is for several tenants,
-- so only a session of all tenants sees the action.
create view funnelproof.web_repair_action with (security_barrier) as
select action.*
from funnelproof.repair_action as action
where
    (select funnelproof.web_sees_all())
    or action.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- The page's view of repairs: those with an action for the reader's tenants, and the numbers of such actions. Reason and message
-- are sentences, and may tell of every tenant that the repair is for, so a repair that is for further tenants is shown
-- without the two.
create view funnelproof.web_repair with (security_barrier) as
select
    repair.repair_id,
    repair.begun_at,
    repair.author,
    case when (select funnelproof.web_sees_all()) or done.is_own then repair.reason end as reason,
    repair.finished_at,
    repair.outcome,
    case when (select funnelproof.web_sees_all()) or done.is_own then repair.message end as message,
    done.faults,
    done.deals,
    done.recounts,
    done.windows,
    done.left_undone
from funnelproof.repair
cross join
    lateral ( -- noqa: ST05
        select
            bool_and(action.is_own) filter (where action.kind <> 'recount') as is_own,
            bool_or(action.is_own) as is_seen,
            count(*) filter (where action.is_own and action.kind = 'restate') as deals,
            count(*) filter (where action.is_own and action.kind = 'recount') as recounts,
            count(*) filter (where action.is_own and action.kind = 'publish') as windows,
            count(*) filter (where action.is_own and action.done_at is null) as left_undone,
            (
                select coalesce(array_agg(distinct fault.name order by fault.name), '{}')
                from funnelproof.web_repair_action as found
                cross join unnest(found.faults) as fault (name)
                where found.repair_id = repair.repair_id
            ) as faults
        from (
            select
                each.*,
                (select funnelproof.web_sees_all())
                or coalesce(each.tenant_id = any((select funnelproof.web_tenants())::uuid[]), false) as is_own
            from funnelproof.repair_action as each
            where each.repair_id = repair.repair_id
        ) as action
    ) as done
where (select funnelproof.web_sees_all()) or done.is_seen;

-- What waits for each receiver of alerts, and what was given up: for the evaluator, and for the page.
create view funnelproof.receiver_backlog as
with
waiting as (
    select
        delivery.receiver,
        count(*) as waiting,
        min(delivery.enqueued_at) as oldest_at,
        (
            array_agg(delivery.last_error order by delivery.event_number)
            filter (where delivery.last_error is not null)
        )[1] as last_error
    from funnelproof.alert_delivery as delivery
    where delivery.delivered_at is null and delivery.given_up_at is null
    group by delivery.receiver
),

given_up as (
    select
        delivery.receiver,
        count(*) as given_up
    from funnelproof.alert_delivery as delivery
    where delivery.given_up_at is not null
    group by delivery.receiver
)

select
    receiver,
    coalesce(waiting.waiting, 0) as waiting,
    waiting.oldest_at,
    extract(epoch from clock_timestamp() - waiting.oldest_at)::double precision as age,
    waiting.last_error,
    coalesce(given_up.given_up, 0) as given_up
from waiting
full join given_up using (receiver);

create view funnelproof.web_receiver with (security_barrier) as
select backlog.*
from funnelproof.receiver_backlog as backlog
where (select funnelproof.web_sees_all());

-- Grows with every run that is published. A proof is written by the transaction that publishes, under the closing lock: the
-- number grows when the run can be read, not before. A sequence grows as soon as a transaction takes a number, and a reader
-- of that moment would keep closed windows without the run.
create or replace function funnelproof.web_published() returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select coalesce(max(proof.proof_id), 0)
from funnelproof.proof
$$;

-- When the fall began: the begin of the first window under suspicion.
create or replace view funnelproof.web_alert with (security_barrier) as
select
    alert.*,
    (state.content ->> 'since')::timestamptz as dropping_since
from dyno_crm.stage_conversion_alert as alert
left join funnelproof.alert_state as state on alert.alert_id = state.alert_id
where
    (select funnelproof.web_sees_all())
    or alert.tenant_id = any((select funnelproof.web_tenants())::uuid[]);
