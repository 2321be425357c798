-- Has the workers compare all counts of all partitions: a worker whose flush does not follow its own flush does so.
-- $1: who asks. Returns the partitions.
update funnelproof.partition_progress as progress
set flushed_by = $1
from funnelproof.installation
where installation.epoch = progress.epoch
returning progress.partition
