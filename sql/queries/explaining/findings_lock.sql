-- Lets explanations that end at the same time write one after the other.
select pg_advisory_xact_lock(hashtextextended('funnelproof.findings', 0))
