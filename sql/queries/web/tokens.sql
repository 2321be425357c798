-- The tokens, the oldest first.
select
    token.name,
    token.tenants,
    token.may,
    token.created_at,
    token.expires_at,
    token.revoked_at,
    token.revoked_at is null
    and (token.expires_at is null or token.expires_at > clock_timestamp()) as is_valid
from funnelproof.web_token as token
order by token.token_id
