-- The last evaluator's last look; is_active: the evaluator's session lives.
select
    known.evaluator,
    known.looked_at,
    known.proven_until,
    known.held,
    known.held_since,
    known.broken_rules,
    known.broken_since,
    extract(epoch from clock_timestamp() - known.looked_at)::double precision as age,
    exists(
        select
        from pg_locks as held
        inner join pg_database as own on held.database = own.oid
        where
            held.locktype = 'advisory'
            and held.granted
            and own.datname = current_database()
            and (held.classid::bigint << 32 | held.objid::bigint) = hashtextextended('funnelproof.alerts', 0)
    ) as is_active
from funnelproof.alert_term as known
