-- The windows of a batch by tenant: those of the runs, and every closed window of a tenant's tiling, even without a run.
-- $1 tenant, $2 window name; $3 the starts of the windows; $4 windows that end by $4
with
tenant as (
    select distinct stage.tenant_id
    from funnelproof.pipeline_stage as stage
    where $1::uuid is null or stage.tenant_id = $1
)

select
    run.tenant_id,
    run.window_start,
    run.window_end
from sifted_run as run
union
select
    tenant.tenant_id,
    closed.window_start,
    closed.window_end
from tenant
left join funnelproof.tenant_tiling as own using (tenant_id)
inner join funnelproof.time_window as closed
    on
        coalesce(own.tiling, '') = any(closed.tilings)
        or (closed.tilings = '{}' and own.tiling is null)
where
    closed.closed_at is not null
    and closed.window_name = $2
    and closed.window_start = any($3::timestamptz[])
    and ($4::timestamptz is null or closed.window_end <= $4)
order by 1, 2, 3
