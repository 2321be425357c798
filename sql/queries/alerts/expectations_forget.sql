-- Forgets what the detectors of other rules have expected. $1 rules, $2 kinds, $3 tilings that are looked at
delete from funnelproof.alert_expectation as old
where
    not exists (
        select from unnest($1::text[], $2::text[], $3::text[]) as kept (rule, window_name, tiling)
        where
            kept.rule = old.rule
            and kept.window_name = old.window_name
            and kept.tiling = old.tiling
    )
