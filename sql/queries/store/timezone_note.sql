-- Notes timezones. $1 tenants (null: every tenant without an own timezone), $2 the instants since which the timezones
-- hold (null: since ever), $3 timezones
insert into funnelproof.timezone (tenant_id, since, timezone)
select * from unnest($1::text[]::uuid[], $2::timestamptz[], $3::text[])
