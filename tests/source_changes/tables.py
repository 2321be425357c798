"""Changes of the stage table itself: columns, types, storage, identity, other tables in its place."""

from tests.source_changes.action import PROOF, WRITE, Action, Cost, statements

FULL = "alter table {rows} replica identity full"
COPY = "create table dyno_crm.copied (like {rows} including all); insert into dyno_crm.copied select * from {rows}"
LOSE_TWO = "delete from {0} where id in (select id from {0} order by id limit 2)"
RENAME_COPY = "alter table dyno_crm.copied rename to deal_pipeline_stage_state"
LOSE_THREE = "delete from {0} where id in (select id from {0} order by id limit 3)"
CHILD_ROWS = (
    "insert into dyno_crm.archived (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at) "
    "select gen_random_uuid(), tenant_id, gen_random_uuid(), pipeline_id, pipeline_stage_id, entered_at "
    "from only {rows} order by id limit 4"
)

HARMLESS = (
    statements(
        "a column is added", Cost.NOTHING, "alter table {rows} add column note text default 'x'", early=True
    ),
    statements(
        "a column is added and dropped",
        Cost.NOTHING,
        *("alter table {rows} add column source text", WRITE, "alter table {rows} drop column source"),
    ),
    statements(
        "a column that nobody counts gets another type",
        Cost.NOTHING,
        *("alter table {rows} add column label varchar(50)", WRITE),
        "alter table {rows} alter column label type text",
        early=True,
    ),
    statements(
        "an index is made concurrently", Cost.NOTHING, "create index concurrently on {rows} (tenant_id)"
    ),
    statements("statistics and a plain vacuum", Cost.NOTHING, "analyze {rows}", "vacuum {rows}"),
    statements("indexes are made anew", Cost.NOTHING, "reindex table concurrently {rows}"),
    statements(
        "a check and a comment are added",
        Cost.NOTHING,
        "alter table {rows} add check (entered_at > '1970-01-01')",
        "comment on table {rows} is 'entries'; alter table {rows} set (fillfactor = 80)",
    ),
    statements(
        "stage names become varchar",
        Cost.NOTHING,
        "alter table {stages} alter column name type varchar(80)",
        early=True,
    ),
    statements("replica identity full is set again", Cost.NOTHING, FULL, WRITE),
    statements(
        "a row trigger of the CRM is added",
        Cost.NOTHING,
        "create function public.nothing() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger nothing before insert on {rows} for each row execute function public.nothing()",
        WRITE,
    ),
)
COLUMNS = (
    statements(
        "a column with a default that rewrites is added",
        Cost.COMPARISON,
        "alter table {rows} add column token uuid default gen_random_uuid()",
        early=True,
    ),
    statements(
        "the column of exits is dropped", Cost.COMPARISON, "alter table {rows} drop column exited_at", WRITE
    ),
    statements(
        "a needed column has another name while rows are written",
        Cost.NEW_LOG,
        "alter table {rows} rename column deal_id to deal",
        "update {rows} set deal = gen_random_uuid() where id in (select id from {rows} order by id limit 3)",
        "alter table {rows} rename column deal to deal_id",
    ),
    statements(
        "a needed column has another name for a while",
        Cost.NEW_LOG,
        *("alter table {rows} rename column entered_at to entered", PROOF),
        "update {rows} set entered = entered - interval '4 s' where id in (select id from {rows} order by id limit 3)",
        "alter table {rows} rename column entered to entered_at",
    ),
    statements(
        "two needed columns change their names with each other",
        Cost.NEW_LOG,
        "begin; alter table {rows} rename column deal_id to was_deal; alter table {rows} rename column id to deal_id; "
        "alter table {rows} rename column was_deal to id; commit",
    ),
    statements(
        "a needed column is replaced by a copy",
        Cost.NEW_LOG,
        "begin; alter table {rows} add column stage_copy uuid; update {rows} set stage_copy = pipeline_stage_id; "
        "alter table {rows} drop column pipeline_stage_id; alter table {rows} rename stage_copy to pipeline_stage_id; "
        "commit",
    ),
    statements(
        "instants become timestamps without zone, and back",
        Cost.NEW_LOG,
        "alter table {rows} alter column entered_at type timestamp using entered_at at time zone 'UTC'",
        "update {rows} set entered_at = entered_at - interval '7 s' where id in (select id from {rows} order by id "
        "limit 3)",
        "alter table {rows} alter column entered_at type timestamptz using entered_at at time zone 'UTC'",
    ),
    statements(
        "instants are rounded by a type change",
        Cost.NEW_LOG,
        "alter table {rows} alter column entered_at type timestamptz(0)",
    ),
    statements(
        "instants are moved by a type change that changes no type",
        Cost.NEW_LOG,
        "alter table {rows} alter column entered_at type timestamptz using entered_at - interval '6 s'",
    ),
    statements(
        "stages become text, and back",
        Cost.NEW_LOG,
        *("alter table {rows} alter column pipeline_stage_id type text", PROOF),
        "update {rows} set exited_at = clock_timestamp()",
        "alter table {rows} alter column pipeline_stage_id type uuid using pipeline_stage_id::uuid",
    ),
    statements(
        "a stored generated column is added",
        Cost.NEW_LOG,
        "alter table {rows} add column minutes numeric "
        "generated always as (extract(epoch from exited_at - entered_at) / 60) stored",
        WRITE,
        mend=("alter table {rows} drop column minutes",),
        early=True,
    ),
    statements(
        "a virtual generated column is added",
        Cost.NEW_LOG,
        "alter table {rows} add column is_open boolean generated always as (exited_at is null) virtual",
        WRITE,
        mend=("alter table {rows} drop column is_open",),
        early=True,
    ),
)
STORAGE = (
    statements("the table is rewritten by vacuum full", Cost.COMPARISON, "vacuum full {rows}"),
    statements(
        "the table is rewritten by cluster",
        Cost.COMPARISON,
        "cluster {rows} using deal_pipeline_stage_state_pkey",
    ),
    statements(
        "the table is unlogged while rows are written",
        Cost.NEW_LOG,
        "alter publication {publication} drop table {rows}; alter table {rows} set unlogged",
        WRITE,
        "alter table {rows} set logged; alter publication {publication} add table {rows}",
        mend=("alter table {rows} set logged", "alter publication {publication} add table {rows}"),
    ),
    statements(
        "identity is default",
        Cost.NEW_LOG,
        "alter table {rows} replica identity default",
        WRITE,
        mend=(FULL,),
    ),
    statements(
        "identity is default while rows are written",
        Cost.NEW_LOG,
        *("alter table {rows} replica identity default", WRITE, FULL),
    ),
    statements(
        "identity is default and full again between two writes",
        Cost.COMPARISON,
        *("alter table {rows} replica identity default", FULL),
    ),
    statements(
        "identity is nothing for a while",
        Cost.NEW_LOG,
        *("alter table {rows} replica identity nothing", WRITE, PROOF, WRITE, FULL),
    ),
    statements(
        "identity is the primary key's index",
        Cost.NEW_LOG,
        "alter table {rows} replica identity using index deal_pipeline_stage_state_pkey",
        WRITE,
        mend=(FULL,),
        early=True,
    ),
)
NAMES = (
    statements(
        "the table has another name while rows are deleted",
        Cost.NEW_LOG,
        "alter table {rows} rename to renamed",
        LOSE_THREE.format("dyno_crm.renamed"),
        "alter table dyno_crm.renamed rename to deal_pipeline_stage_state",
    ),
    statements(
        "the table is in another schema while rows are deleted",
        Cost.NEW_LOG,
        "alter table {rows} set schema public",
        LOSE_THREE.format("public.deal_pipeline_stage_state"),
        "alter table public.deal_pipeline_stage_state set schema dyno_crm",
    ),
    statements(
        "the schema has another name while rows are deleted",
        Cost.NEW_LOG,
        "alter schema dyno_crm rename to renamed",
        LOSE_THREE.format("renamed.deal_pipeline_stage_state"),
        "alter schema renamed rename to dyno_crm",
    ),
)
OTHERS_IN_PLACE = (
    statements(
        "a copy takes the table's place",
        Cost.NEW_LOG,
        "begin; lock table {rows};" + COPY + "; drop table {rows}; " + RENAME_COPY + "; " + FULL + "; commit",
        WRITE,
        mend=("alter publication {publication} add table {rows}",),
    ),
    statements(
        "a copy with fewer rows takes the table's place, and the publication's",
        Cost.NEW_LOG,
        "begin; lock table {rows};"
        + COPY
        + "; "
        + LOSE_TWO.format("dyno_crm.copied")
        + "; alter table {rows} rename to replaced; "
        + RENAME_COPY
        + "; "
        + FULL
        + "; alter publication {publication} set table {rows}; commit",
        WRITE,
    ),
    statements(
        "the table is dropped and made again with its rows",
        Cost.NEW_LOG,
        "create table public.kept as select * from {rows}; drop table {rows} cascade",
        "create table {rows} (id uuid primary key, tenant_id uuid not null, deal_id uuid not null, "
        "pipeline_id uuid not null, pipeline_stage_id uuid not null, entered_at timestamptz not null, "
        "exited_at timestamptz); "
        "insert into {rows} (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at) "
        "select id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at from public.kept; " + FULL,
        WRITE,
        mend=("alter publication {publication} add table {rows}",),
    ),
    statements(
        "the table is emptied and filled again",
        Cost.COMPARISON,
        "create table public.filled as select * from {rows}; truncate {rows}; "
        "insert into {rows} select * from public.filled",
    ),
    statements(
        "a child table with rows is made",
        Cost.NEW_LOG,
        "create table dyno_crm.archived () inherits ({rows}); " + CHILD_ROWS,
        mend=("alter table dyno_crm.archived no inherit {rows}",),
        early=True,
    ),
    statements(
        "a table with rows is attached as child, and detached",
        Cost.NEW_LOG,
        "create table dyno_crm.archived (like {rows} including all); " + CHILD_ROWS,
        "alter table dyno_crm.archived inherit {rows}",
        PROOF,
        "alter table dyno_crm.archived no inherit {rows}",
    ),
    statements(
        "rows go into a child table",
        Cost.NEW_LOG,
        "begin; create table dyno_crm.archived () inherits ({rows}); "
        "alter table dyno_crm.archived replica identity full; with gone as (delete from only {rows} "
        "where id in (select id from only {rows} order by id limit 3) returning *) "
        "insert into dyno_crm.archived select * from gone; commit",
        mend=("insert into {rows} select * from dyno_crm.archived; drop table dyno_crm.archived",),
    ),
    statements(
        "the table becomes a partition",
        Cost.NEW_LOG,
        "begin; alter table {rows} rename to state_0; create table {rows} (like dyno_crm.state_0 including defaults) "
        "partition by hash (id); alter table {rows} attach partition dyno_crm.state_0 for values with "
        "(modulus 1, remainder 0); " + FULL + "; commit",
        WRITE,
        early=True,
    ),
)
CHANGES: tuple[Action, ...] = HARMLESS + COLUMNS + STORAGE + NAMES + OTHERS_IN_PLACE
