-- Lets the server notice within half a minute that a worker's machine is gone, or that the worker stands still while it
-- takes hold and others wait for it; and end its session.
select
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('idle_in_transaction_session_timeout', '10s', false)
