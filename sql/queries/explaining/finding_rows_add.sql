-- Adds the rows of findings. Columns of equal length, in the table's order.
insert into funnelproof.finding_row (
    finding_id, place, row_id, record_key, partition, belongs_to, version, in_source
)
select concerned.*
from unnest(
    $1::bigint[], $2::integer[], $3::uuid[], $4::bytea[], $5::integer[], $6::integer[], $7::bigint[],
    $8::boolean[]
) as concerned
