-- Emits a marker into the log. The marker's commit stands in the log after the commit of every transaction visible now.
with
marker as (
    select
        pg_current_snapshot()::text as snapshot,
        (select system_identifier::text from pg_control_system()) as system_identifier,
        (select timeline_id from pg_control_checkpoint()) as timeline
)

select
    marker.snapshot,
    marker.system_identifier,
    marker.timeline,
    pg_logical_emit_message(
        true,
        $1,
        jsonb_build_object(
            'n', $2::bigint,
            'token', $3::text,
            'snapshot', marker.snapshot,
            'system_identifier', marker.system_identifier,
            'timeline', marker.timeline
        )::text
    )::pg_lsn as source_lsn
from marker
