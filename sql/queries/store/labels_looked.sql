-- Notes a look at the CRM's labels; $1 is the mistake that the look met, null without a mistake.
insert into funnelproof.label_look (failures, trouble)
values (($1::text is not null)::integer, $1)
on conflict (singleton) do update
    set
        looked_at = excluded.looked_at,
        failures = label_look.failures + excluded.failures,
        trouble = excluded.trouble
