-- The privileges that a proof needs in the source: to emit a marker, and to read the stages.
select
    bool_and(has_function_privilege(routine.oid, 'execute')) as may_emit,
    has_table_privilege('dyno_crm.pipeline_stage', 'select') as may_read_stages
from pg_proc as routine
where
    routine.proname = 'pg_logical_emit_message'
    and routine.proargtypes[2] = 'text'::regtype
