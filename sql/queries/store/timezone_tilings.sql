-- Replaces the list of tenants that have windows of their own. $1 tenants, $2 their tilings
with
told as (
    select * from unnest($1::text[]::uuid[], $2::text[]) as told (tenant_id, tiling)
),

gone as (
    delete from funnelproof.tenant_tiling as known
    where not exists (select from told where told.tenant_id = known.tenant_id)
)

insert into funnelproof.tenant_tiling as known (tenant_id, tiling)
select * from told
on conflict (
    tenant_id) do update set tiling = excluded.tiling
where known.tiling <> excluded.tiling
