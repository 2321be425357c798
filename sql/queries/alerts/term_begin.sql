-- Begins the next term; returns the term. $1 the evaluator's name
insert into funnelproof.alert_term as known (term, evaluator, begun_at, looked_at)
values (1, $1, clock_timestamp(), clock_timestamp())
on conflict (singleton) do update
    set
        term = known.term + 1,
        evaluator = excluded.evaluator,
        begun_at = excluded.begun_at,
        looked_at = excluded.looked_at
returning known.term
