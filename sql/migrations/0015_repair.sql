-- Repairs of counts that differed from the canonical SQL: who, when, what and why.

-- `outcome`: of the comparison after the repair; null: the repair is at work, or was killed. `message`: why not equal.
create table funnelproof.repair (
    repair_id bigint generated always as identity primary key,
    begun_at timestamptz not null default clock_timestamp(),
    author text not null,
    reason text not null,
    finished_at timestamptz,
    outcome text check (outcome in ('equal', 'different', 'undecided', 'failed')),
    message text
);

-- What a repair does, in its order. `restate`: the present content of a deal's rows is put into the log. `recount`: the
-- workers compare their counts with Postgres, and write those that differ. `publish`: a closed window gets its next
-- revision from the partials. `faults`: what was found. `done_at`: null until the action has its effect.
create table funnelproof.repair_action (
    repair_id bigint not null references funnelproof.repair (repair_id) on delete cascade,
    number integer not null,
    kind text not null check (kind in ('restate', 'recount', 'publish')),
    faults text[] not null,
    tenant_id uuid,
    pipeline_id uuid,
    deal_id uuid,
    window_name text,
    window_start timestamptz,
    done_at timestamptz,
    primary key (repair_id, number)
);

-- The repair that asked for the window's next revision.
alter table funnelproof.touched_window add column repair_id bigint;
