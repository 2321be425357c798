-- Lets the server end the session of a lost worker. Within half a minute the server notices that the worker's machine
-- is gone; within ten seconds, that the worker stands still inside a transaction for which other workers wait.
select
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('idle_in_transaction_session_timeout', '10s', false)
