-- Notes the first migration, by the source's clock.
insert into funnelproof.installation (instance, installed_at)
values ($1, $2)
on conflict (singleton) do nothing
