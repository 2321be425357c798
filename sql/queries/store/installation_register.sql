-- Registers the installation at its first migration. $1 instance, $2 time by the source's clock
insert into funnelproof.installation (instance, installed_at)
values ($1, $2)
on conflict (singleton) do nothing
