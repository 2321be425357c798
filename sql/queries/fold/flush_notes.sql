-- Writes the causes of changes in ended windows.
insert into funnelproof.change_note (
    epoch, partition, flush, source_offset, tenant_id, pipeline_id, window_name, window_start,
    causes, lowest_lsn, highest_lsn
)
select
    $1,
    noted.partition,
    noted.flush,
    noted.source_offset,
    noted.tenant_id,
    noted.pipeline_id,
    noted.window_name,
    noted.window_start,
    string_to_array(noted.causes, ','),
    '0/0'::pg_lsn + noted.lowest_lsn,
    '0/0'::pg_lsn + noted.highest_lsn
from
    unnest(
        $2::integer[], $3::bigint[], $4::bigint[], $5::text[]::uuid[], $6::text[]::uuid[],
        $7::text[], $8::timestamptz[], $9::text[], $10::bigint[], $11::bigint[]
    )
        as noted (
            partition, flush, source_offset, tenant_id, pipeline_id, window_name, window_start, causes,
            lowest_lsn, highest_lsn
        )
on conflict do nothing
