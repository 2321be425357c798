-- Writes a marker down before its emission.
insert into funnelproof.marker (purpose) values ($1)
returning marker_id, token::text as token
