"""Row security and privileges: what the roles of workers and of Debezium may see and do."""

from tests.source_changes.action import PROOF, WRITE, Action, Cost, statements

ROLES = frozenset({"roles"})
EMIT = "function pg_logical_emit_message(boolean, text, text, boolean)"

SECURITY = (
    statements(
        "row security hides all rows from the roles",
        Cost.NEW_LOG,
        "alter table {rows} enable row level security",
        *(WRITE, PROOF),
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security with a policy for tenants, forced",
        Cost.NEW_LOG,
        "create policy own on {rows} using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)",
        "alter table {rows} enable row level security; alter table {rows} force row level security",
        WRITE,
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security for a while",
        Cost.NEW_LOG,
        "alter table {rows} enable row level security",
        *(WRITE, "alter table {rows} disable row level security"),
    ),
    statements(
        "row security hides the stages",
        Cost.NEW_LOG,
        "alter table {stages} enable row level security",
        *(WRITE, PROOF, PROOF),
        mend=("alter table {stages} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security shows half of the rows",
        Cost.NEW_LOG,
        "create policy half on {rows} using (id < '80000000-0000-0000-0000-000000000000')",
        "alter table {rows} enable row level security",
        *(WRITE, PROOF),
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
)
PRIVILEGES = (
    statements(
        "workers may not read the rows",
        Cost.NEW_LOG,
        "revoke select on {rows} from {worker}",
        WRITE,
        mend=("grant select on {rows} to {worker}",),
        needs=ROLES,
    ),
    statements(
        "workers may not read the stages for a while",
        Cost.NEW_LOG,
        *("revoke select on {stages} from {worker}", WRITE, PROOF, "grant select on {stages} to {worker}"),
        needs=ROLES,
    ),
    statements(
        "workers may not use the CRM's schema",
        Cost.NEW_LOG,
        "revoke usage on schema dyno_crm from {worker}",
        WRITE,
        mend=("grant usage on schema dyno_crm to {worker}",),
        needs=ROLES,
    ),
    statements(
        "workers may emit no markers",
        Cost.NEW_LOG,
        f"revoke execute on {EMIT} from public",
        WRITE,
        mend=(f"grant execute on {EMIT} to public",),
        needs=ROLES,
    ),
    statements(
        "Debezium may not read the rows",
        Cost.NEW_LOG,
        *("revoke select on {rows} from {cdc}", WRITE),
        mend=("grant select on {rows} to {cdc}",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "another role gets rights, and the table another owner",
        Cost.NEW_LOG,
        "grant select, insert on {rows} to funnelproof_reader",
        "alter table {rows} owner to funnelproof_reader",
        needs=ROLES,
    ),
)
CHANGES: tuple[Action, ...] = SECURITY + PRIVILEGES
