-- The rows of a finding, in their order; the version as Postgres writes positions of its log.
select
    concerned.row_id,
    concerned.partition,
    concerned.belongs_to,
    concerned.in_source,
    case when concerned.version > 0 then ('0/0'::pg_lsn + concerned.version)::text end as lsn,
    concerned.version is not null as is_logged
from funnelproof.web_finding_row as concerned
where concerned.finding_id = $1
order by concerned.place
