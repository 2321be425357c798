-- The number of runs and of pairs in the batch.
with
pair_set as (
    select
        pair.pair_set,
        count(*) as pairs
    from sifted_pair as pair
    group by pair.pair_set
)

select
    count(*) as runs,
    coalesce(sum(pair_set.pairs), 0)::bigint as pairs
from sifted_run
inner join pair_set using (pair_set)
