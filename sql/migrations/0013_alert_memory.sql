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

insert into funnelproof.alert_memory (rule, window_name, tiling, part, content)
select
    known.rule,
    known.window_name,
    known.tiling,
    0,
    known.memory
from funnelproof.alert_cursor as known
where known.memory is not null;

alter table funnelproof.alert_cursor drop column memory;
