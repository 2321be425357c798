-- The reader behind a token's digest; no row for a token that is unknown, expired or revoked.
select
    token.name,
    token.tenants,
    token.may
from funnelproof.web_token_of($1) as token
