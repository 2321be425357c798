-- Lets the planner know the size of the batch.
analyze sifted_run, sifted_pair, sifted_count
