-- The index of flush numbers begins with the epoch, and most partials have the same epoch. A statement that looks for a
-- window's partials must not take the index: each look would read all partials of the epoch. Postgres took the index
-- while the statistics told of an empty table. Statistics tell of an empty table after an autovacuum during a large first
-- flush, and 1,500 pipelines then closed in minutes instead of half a second. Each partial has a flush number from 0 up.
-- Postgres takes a partial index only for a statement that has the index's condition.
drop index funnelproof.ix_partial_flush;
create index ix_partial_flush on funnelproof.partial (epoch, partition, flush) where flush >= 0;
