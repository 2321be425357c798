"""The stage table as a partitioned table, in place of the usual one."""

PARTITIONED = """
drop table dyno_crm.deal_pipeline_stage_state;
create table dyno_crm.deal_pipeline_stage_state (
    id uuid primary key, tenant_id uuid not null, deal_id uuid not null, pipeline_id uuid not null,
    pipeline_stage_id uuid not null, entered_at timestamptz not null, exited_at timestamptz
) partition by hash (id);
create table dyno_crm.part_0 partition of dyno_crm.deal_pipeline_stage_state
for values with (modulus 2, remainder 0);
create table dyno_crm.part_1 partition of dyno_crm.deal_pipeline_stage_state
for values with (modulus 2, remainder 1);
alter table dyno_crm.deal_pipeline_stage_state replica identity full;
alter table dyno_crm.part_0 replica identity full;
alter table dyno_crm.part_1 replica identity full;
"""
