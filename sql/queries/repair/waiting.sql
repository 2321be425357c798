-- The number of windows that wait for the revision of the repair $1.
select count(*) from funnelproof.touched_window as touched
where touched.repair_id = $1
