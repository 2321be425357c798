-- The start of the window of a length $1 that begins next, by the database's clock.
select
    to_timestamp(
        ceil(extract(epoch from clock_timestamp()) / extract(epoch from $1::interval))
        * extract(epoch from $1::interval)
    )
