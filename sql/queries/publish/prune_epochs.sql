-- Takes their positions from former epochs that nobody has told anything for some time: should one of them begin
-- again, nothing is proven before all its counts are written anew.
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
