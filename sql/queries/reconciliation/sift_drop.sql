-- Removes the session's own tables.
drop table if exists sifted_run, sifted_pair, sifted_count
