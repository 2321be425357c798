-- Removes the positions of former epochs without a flush for the time $1. If an epoch without positions becomes current
-- again, a proof must wait until every count of the epoch is written again.
update funnelproof.partition_progress as progress
set source_offset = null
from funnelproof.installation
where
    progress.epoch <> installation.epoch
    and progress.source_offset is not null
    and not exists (
        select
        from funnelproof.partition_progress as told
        where told.epoch = progress.epoch and told.flushed_at > clock_timestamp() - $1::interval
    )
