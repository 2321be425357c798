-- What the page shows beside the counts: the expectations of the detector of alerts, profiles, sealed windows.

-- What the detector of a rule expects of the window that it looks at, or has looked at last. `windows`: the windows of the
-- baseline; `learned`: they suffice. `spread`: the relative variance of the window's rate. `likely`: 78 numbers of four
-- bytes, the probabilities that a deal has converted by the end of a bucket: streams/domain/detection/told.py.
create table funnelproof.alert_expectation (
    tenant_id uuid not null,
    pipeline_id uuid not null,
    window_name text not null,
    rule text not null,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    tiling text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    windows integer not null,
    learned boolean not null,
    spread double precision not null,
    likely bytea not null check (octet_length(likely) = 312),
    primary key (tenant_id, pipeline_id, window_name, rule, from_stage_id, to_stage_id)
);

create view funnelproof.web_expectation with (security_barrier) as
select expected.*
from funnelproof.alert_expectation as expected
where
    (select funnelproof.web_sees_all())
    or expected.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

create view funnelproof.web_profile with (security_barrier) as
select
    run.tenant_id,
    run.run_id,
    profile.from_stage_id,
    profile.to_stage_id,
    profile.entered,
    profile.converted
from funnelproof.window_run as run
cross join
    lateral (
        select distinct on (version.from_stage_id, version.to_stage_id) version.*
        from funnelproof.run_profile as version
        where version.run_id = run.run_id
        order by version.from_stage_id asc, version.to_stage_id asc, version.proof_id desc
    ) as profile
where
    (select funnelproof.web_sees_all())
    or run.tenant_id = any((select funnelproof.web_tenants())::uuid[]);

-- The page's view of partials with the profile behind the columns that it has.
create or replace view funnelproof.web_partial with (security_barrier) as
select
    partial.tenant_id,
    partial.pipeline_id,
    partial.window_name,
    partial.window_start,
    partial.window_end,
    partial.from_stage_id,
    partial.to_stage_id,
    partial.deals,
    partial.profile
from funnelproof.partial
where
    partial.epoch = (select installation.epoch from funnelproof.installation)
    and (
        (select funnelproof.web_sees_all())
        or partial.tenant_id = any((select funnelproof.web_tenants())::uuid[])
    );

-- Up to which end windows of a kind are past their retention: true of the installation, and tells nothing of a tenant.
create view funnelproof.web_sealed as
select
    sealed.window_name,
    sealed.sealed_until
from funnelproof.sealed;
