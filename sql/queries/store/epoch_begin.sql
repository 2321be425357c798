-- Makes an epoch the current epoch, whether the epoch is new or was current before.
with
begun as (
    insert into funnelproof.epoch
    (
        epoch, topic, topic_id, partitions, windows, timezone, tenant_timezones, state_format,
        boundaries, tzdata
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (epoch) do nothing
)

update funnelproof.installation
set epoch = $1
returning instance
