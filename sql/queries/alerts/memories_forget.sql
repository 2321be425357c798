-- Forgets the memories of the detectors of rules that are gone. $1 to $3: the places that are looked at, rules, kinds, tilings
delete from funnelproof.alert_memory as known
where
    not exists (
        select
        from unnest($1::text[], $2::text[], $3::text[]) as place (rule, window_name, tiling)
        where
            place.rule = known.rule
            and place.window_name = known.window_name
            and place.tiling = known.tiling
    )
