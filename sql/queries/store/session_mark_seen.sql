-- The mark of the session, null in a session without a mark.
select current_setting('funnelproof.session', true)
