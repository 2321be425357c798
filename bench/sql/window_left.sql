-- How many seconds are left until an instant, by the database's clock.
select extract(epoch from $1::timestamptz - clock_timestamp())::float8
