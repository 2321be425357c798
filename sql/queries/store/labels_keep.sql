-- Replaces the labels by the labels read from the source. $1 kinds, $2 ids, $3 names
with
read_label as (
    select *
    from unnest($1::text[], $2::text[]::uuid[], $3::text[]) as label (kind, id, name)
),

gone as (
    delete from funnelproof.label as known
    where not exists (
        select
        from read_label
        where read_label.kind = known.kind and read_label.id = known.id
    )
)

insert into funnelproof.label as known (kind, id, name)
select read_label.*
from read_label
left join funnelproof.label as same using (kind, id, name)
where same.kind is null
on conflict (kind, id) do update set name = excluded.name
