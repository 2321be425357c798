-- The current epoch, whose counts are summed; no row before the first worker.
select
    epoch.epoch,
    epoch.topic,
    epoch.topic_id,
    epoch.partitions,
    epoch.windows,
    epoch.timezone,
    epoch.tenant_timezones,
    epoch.state_format,
    epoch.boundaries,
    epoch.tzdata
from funnelproof.installation
inner join funnelproof.epoch using (epoch)
