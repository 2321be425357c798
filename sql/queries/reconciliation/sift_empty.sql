-- Empties the session's own tables for the next batch.
truncate sifted_run, sifted_pair, sifted_count
