-- The entries that a contender has counted so far; complete, they are as many as expected.
select coalesce(sum(entered_count), 0)::bigint from bench.facts
