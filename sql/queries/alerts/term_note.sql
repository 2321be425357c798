-- Notes a look of the term $1; no row if a later term has begun. $2 proven until, $3 why alerts are held, $4 mistakes of
-- the rule file, $5 since when the file is broken
update funnelproof.alert_term as known
set
    looked_at = clock_timestamp(),
    proven_until = $2,
    held_since = case when $3::text is null then null else coalesce(known.held_since, clock_timestamp()) end,
    held = $3,
    broken_rules = $4,
    broken_since = $5
where known.term = $1
returning known.term
