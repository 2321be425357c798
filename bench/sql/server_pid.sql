-- The process that serves this session; its parent is the server.
select pg_backend_pid()
