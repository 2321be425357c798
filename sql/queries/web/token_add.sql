-- Keeps a new token. $3: tenants, null for every tenant. $5: the time after which the token expires, null for never.
insert into funnelproof.web_token (name, digest, tenants, may, expires_at)
values ($1, $2, $3, $4, clock_timestamp() + $5::interval)
