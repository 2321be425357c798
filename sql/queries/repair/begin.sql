-- Begins the record of a repair by $1 for the reason $2. The lock of a repair must be held: a repair without an end was killed.
with
killed as (
    update funnelproof.repair
    set finished_at = clock_timestamp(), outcome = 'failed', message = 'the repair ended before its end'
    where repair.outcome is null
)

insert into funnelproof.repair (author, reason)
values ($1, $2)
returning repair_id
