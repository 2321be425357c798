-- Names the tenants that the transaction may see; the page's role where the session's role may become the page's role.
select
    set_config('funnelproof.tenants', $1, true),
    set_config('statement_timeout', $2, true),
    case
        when exists (
            select from pg_roles
            where
                pg_roles.rolname = 'funnelproof_web'
                and pg_has_role(pg_roles.oid, 'member')
                and has_schema_privilege(pg_roles.oid, 'funnelproof', 'usage')
                and has_table_privilege(pg_roles.oid, 'funnelproof.web_pulse', 'select')
        ) then set_config('role', 'funnelproof_web', true)
    end
