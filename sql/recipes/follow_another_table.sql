-- Follows tables of other names and types: triggers keep dyno_crm.deal_pipeline_stage_state equal to public.deal_stage_history,
-- and dyno_crm.pipeline_stage is a view of public.pipeline_stages.
--
-- The example's CRM:
--     public.deal_stage_history (id bigint primary key, tenant_id bigint, deal_id bigint, pipeline_id bigint, stage_id bigint,
--                                entered_at timestamp, left_at timestamp)
--     public.pipeline_stages    (id bigint primary key, tenant_id bigint, pipeline_id bigint, name text, position integer)
--
-- Change names and expressions in `uuid_of`, `entry_of` and the view, then run the file as the owner of both tables:
--     psql -v ON_ERROR_STOP=1 -f sql/recipes/follow_another_table.sql crm
-- Part 1 waits for open transactions on the history, at most five seconds, and commits at once. Part 2 copies the history in
-- batches while the CRM goes on writing. After an interruption run the file again.
--
-- A row without one of the needed values, or with an infinite time, is no entry and is left out. Every other row of the history has
-- exactly one row in the copy. If the copy cannot be written, for example because its table was dropped, then the CRM's write fails, too.

-- Part 1: the copy, and what keeps the copy equal from now on.
begin;

-- First the lock on the history: whoever holds the copy already, and waits for the history, would wait with a writer in a circle.
set local lock_timeout = '5s';
lock table public.deal_stage_history in share row exclusive mode;

create schema if not exists dyno_crm;

-- A number as a UUID: 7 becomes 00000000-0000-0000-0000-000000000007. Different numbers become different UUIDs.
create or replace function dyno_crm.uuid_of(number bigint) returns uuid
language sql immutable strict parallel safe
return lpad(to_hex(number), 32, '0')::uuid;

create table if not exists dyno_crm.deal_pipeline_stage_state (
    id uuid primary key,
    tenant_id uuid not null,
    deal_id uuid not null,
    pipeline_id uuid not null,
    pipeline_stage_id uuid not null,
    entered_at timestamptz not null,
    exited_at timestamptz
);
alter table dyno_crm.deal_pipeline_stage_state replica identity full;

create or replace view dyno_crm.pipeline_stage as
select
    dyno_crm.uuid_of(stage.id) as id,
    dyno_crm.uuid_of(stage.tenant_id) as tenant_id,
    dyno_crm.uuid_of(stage.pipeline_id) as pipeline_id,
    stage.name,
    stage.position as display_order
from public.pipeline_stages as stage;

-- A row of the history as an entry: one row, or none. The history's times are in the timezone that stands here.
create or replace function dyno_crm.entry_of(history public.deal_stage_history)
returns setof dyno_crm.deal_pipeline_stage_state
language sql stable
as $$
    select
        dyno_crm.uuid_of(history.id),
        dyno_crm.uuid_of(history.tenant_id),
        dyno_crm.uuid_of(history.deal_id),
        dyno_crm.uuid_of(history.pipeline_id),
        dyno_crm.uuid_of(history.stage_id),
        history.entered_at at time zone 'UTC',
        history.left_at at time zone 'UTC'
    where
        history.tenant_id is not null
        and history.deal_id is not null
        and history.pipeline_id is not null
        and history.stage_id is not null
        and isfinite(history.entered_at)
$$;

-- `security definer`: who writes the history needs no privilege on the copy.
create or replace function dyno_crm.follow_deal_stage_history() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then
        delete from dyno_crm.deal_pipeline_stage_state;
        return null;
    end if;
    if tg_op = 'UPDATE' then
        update dyno_crm.deal_pipeline_stage_state as state
        set
            id = entry.id,
            tenant_id = entry.tenant_id,
            deal_id = entry.deal_id,
            pipeline_id = entry.pipeline_id,
            pipeline_stage_id = entry.pipeline_stage_id,
            entered_at = entry.entered_at,
            exited_at = entry.exited_at
        from dyno_crm.entry_of(new) as entry
        where state.id = dyno_crm.uuid_of(old.id);
        if found then
            return null;
        end if;
    end if;
    -- A deleted row; or a row that was no entry before its update, or is none after.
    if tg_op in ('UPDATE', 'DELETE') then
        delete from dyno_crm.deal_pipeline_stage_state where id = dyno_crm.uuid_of(old.id);
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        insert into dyno_crm.deal_pipeline_stage_state select * from dyno_crm.entry_of(new);
    end if;
    return null;
end
$$;

create or replace trigger follow_rows
after insert or delete on public.deal_stage_history
for each row execute function dyno_crm.follow_deal_stage_history();

-- A condition instead of `update of` columns: the condition also sees what the CRM's own triggers have changed.
create or replace trigger follow_updates
after update on public.deal_stage_history
for each row
when (
    (old.id, old.tenant_id, old.deal_id, old.pipeline_id, old.stage_id, old.entered_at, old.left_at)
    is distinct from
    (new.id, new.tenant_id, new.deal_id, new.pipeline_id, new.stage_id, new.entered_at, new.left_at)
)
execute function dyno_crm.follow_deal_stage_history();

create or replace trigger follow_truncate
after truncate on public.deal_stage_history
for each statement execute function dyno_crm.follow_deal_stage_history();

-- Also for rows that a restore or logical replication writes.
alter table public.deal_stage_history
enable always trigger follow_rows,
enable always trigger follow_updates,
enable always trigger follow_truncate;

commit;

-- Part 2: the rows from before. A batch locks its rows against changes, so no batch brings back a row that was deleted
-- meanwhile. A batch gives up and begins again if a writer holds one of its rows: no writer waits for the batch in a circle.
do $$
declare
    last_id bigint;
    batch_end bigint;
begin
    loop
        batch_end := (
            select max(batch.id)
            from (
                select history.id
                from public.deal_stage_history as history
                where last_id is null or history.id > last_id
                order by history.id
                limit 1000
            ) as batch
        );
        exit when batch_end is null;
        set local lock_timeout = '200ms';
        begin
            insert into dyno_crm.deal_pipeline_stage_state
            select entry.*
            from (
                select history
                from public.deal_stage_history as history
                where (last_id is null or history.id > last_id) and history.id <= batch_end
                for share
            ) as batch
            cross join lateral dyno_crm.entry_of(batch.history) as entry
            on conflict (id) do nothing;
            last_id := batch_end;
        exception when lock_not_available then
            perform pg_sleep(0.1);
        end;
        commit;
    end loop;
end
$$;
