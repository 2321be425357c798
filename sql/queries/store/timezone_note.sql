-- Notes timezones since when they hold.
insert into funnelproof.timezone (tenant_id, since, timezone)
select * from unnest($1::text[]::uuid[], $2::timestamptz[], $3::text[])
