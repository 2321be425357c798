-- Revokes the token of a name.
update funnelproof.web_token as token
set revoked_at = clock_timestamp()
where token.name = $1 and token.revoked_at is null
returning token.token_id
