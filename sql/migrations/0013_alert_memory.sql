-- The memory of a rule's detector is kept in parts: a detector of many pipelines is large, and no process has the whole
-- memory twice.

-- Streams and detector after the close of the last window, with the publications up to `memory_proof_id` of the cursor.
create table funnelproof.alert_memory (
    rule text not null,
    window_name text not null,
    tiling text not null,
    part integer not null,
    content bytea not null,
    primary key (rule, window_name, tiling, part)
);

-- The form of the memory changes, too: a rule learns anew from the stored runs.
alter table funnelproof.alert_cursor drop column memory;
