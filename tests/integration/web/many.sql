-- Many pipelines of 20 tenants with an open hour and an open day; 3 closed days each. One pipeline has many closed hours;
-- only the first two pairs have facts in its hours. The settings many.pipelines and many.hours say how many.
set session_replication_role = replica; -- no foreign keys are checked, which would take most of the time

create function pg_temp.id(kind text, number bigint) returns uuid
language sql immutable return md5(kind || number)::uuid;

insert into funnelproof.epoch (epoch, topic, topic_id, partitions, windows, timezone, tenant_timezones, state_format)
values (pg_temp.id('epoch', 1), 'topic', 'id', 1, '{hour,day,week,month}', 'UTC', '', 1);
insert into funnelproof.installation (instance, installed_at, epoch)
values ('funnelproof', '2012-01-01Z', pg_temp.id('epoch', 1));
insert into funnelproof.partition_progress (epoch, partition, source_offset, claimed, flushes, worker, flushed_at)
values (pg_temp.id('epoch', 1), 0, 1000, 0, 10, 'one', '2026-06-10 10:20:30Z');
insert into funnelproof.proof (
    source_time, source_lsn, snapshot, needed, positions, completeness, reasons, open_transactions, marker_seconds,
    progress_seconds
) values ('2026-06-10 10:20:29Z', '0/1000', '1:1:', '{}', '{}', 'proven', '{}', '[]', 0, 0);
insert into funnelproof.prover (
    worker, source_time, source_lsn, completeness, reasons, open_transactions, barrier_seconds, marker_seconds,
    progress_seconds, proven_at
) values ('one', '2026-06-10 10:20:29Z', '0/1000', 'proven', '{}', '[]', 0, 0, 0, '2026-06-10 10:20:30Z');

insert into funnelproof.pipeline_stage (stage_id, tenant_id, pipeline_id, name, display_order)
select pg_temp.id('stage', p * 5 + s), pg_temp.id('tenant', p % 20), pg_temp.id('pipeline', p), 'Stage ' || s, s
from generate_series(0, current_setting('many.pipelines')::integer - 1) as p, generate_series(0, 4) as s;

insert into funnelproof.time_window (window_name, window_start, window_end, tilings, closed_at)
select 'day', d, d + interval '1 day', '{""}', d + interval '1 day'
from generate_series('2026-06-07Z'::timestamptz, '2026-06-09Z', '1 day') as d;
insert into funnelproof.time_window (window_name, window_start, window_end, tilings, closed_at)
select 'hour', h, h + interval '1 hour', '{""}', h + interval '1 hour'
from generate_series(
    '2026-06-10 09:00Z'::timestamptz - interval '1 hour' * (current_setting('many.hours')::integer - 1),
    '2026-06-10 09:00Z',
    '1 hour'
) as h;
insert into funnelproof.time_window (window_name, window_start, window_end, tilings) values
('hour', '2026-06-10 10:00Z', '2026-06-10 11:00Z', '{""}'),
('day', '2026-06-10Z', '2026-06-11Z', '{""}'),
('week', '2026-06-08Z', '2026-06-15Z', '{""}'),
('month', '2026-06-01Z', '2026-07-01Z', '{""}');

create temp table run as
select w.window_name, w.window_start, w.window_end, p, gen_random_uuid() as run_id
from funnelproof.time_window as w, generate_series(0, current_setting('many.pipelines')::integer - 1) as p
where w.closed_at is not null and (w.window_name = 'day' or p = 7);

insert into dyno_crm.report_run (id, tenant_id, report_type, generated_at, period_start, period_end, status)
select run_id, pg_temp.id('tenant', p % 20), 'STAGE_CONVERSION', window_end + interval '2 s', window_start, window_end, 'COMPLETED'
from run;
insert into funnelproof.window_run (
    run_id, tenant_id, pipeline_id, window_name, window_start, window_end, revision, causes, epoch, positions, proof_id
)
select run_id, pg_temp.id('tenant', p % 20), pg_temp.id('pipeline', p), window_name, window_start, window_end, 1, '{}',
    pg_temp.id('epoch', 1), '{}', 1
from run;
insert into dyno_crm.report_stage_conversion_fact
select run_id, pg_temp.id('tenant', p % 20), pg_temp.id('pipeline', p), pg_temp.id('stage', p * 5 + s),
    pg_temp.id('stage', p * 5 + s + 1), 400 - 90 * s, 200 - 40 * s, 0.5
from run, generate_series(0, 3) as s
where window_name = 'day' or s < 2;

insert into funnelproof.partial (
    epoch, partition, tenant_id, pipeline_id, window_name, window_start, window_end, from_stage_id, to_stage_id, deals, flush
)
select pg_temp.id('epoch', 1), 0, pg_temp.id('tenant', p % 20), pg_temp.id('pipeline', p), w.window_name, w.window_start,
    w.window_end, pg_temp.id('stage', p * 5 + f), pg_temp.id('stage', p * 5 + f + t), 300 - 70 * f - 100 * t, 1
from funnelproof.time_window as w, generate_series(0, current_setting('many.pipelines')::integer - 1) as p, generate_series(0, 3) as f, generate_series(0, 1) as t
where w.closed_at is null and (w.window_name in ('hour', 'day') or p < 100) and 300 - 70 * f - 100 * t > 0;

set session_replication_role = origin;
