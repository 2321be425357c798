-- Marks the session with a value that lasts until the session ends.
select set_config('funnelproof.session', $1, false)
