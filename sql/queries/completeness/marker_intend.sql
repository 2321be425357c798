-- Writes a marker down before it is emitted.
insert into funnelproof.marker (purpose) values ($1)
returning marker_id, token::text as token
