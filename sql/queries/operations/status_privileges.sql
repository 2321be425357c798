-- Whether this role may do in the source what a proof takes.
select
    bool_and(has_function_privilege(routine.oid, 'execute')) as may_emit,
    has_table_privilege('dyno_crm.pipeline_stage', 'select') as may_read_stages
from pg_proc as routine
where
    routine.proname = 'pg_logical_emit_message'
    and routine.proargtypes[2] = 'text'::regtype
