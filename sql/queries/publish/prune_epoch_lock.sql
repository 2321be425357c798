-- Keeps the current epoch as it is until the transaction ends: no other can begin meanwhile, a former one neither.
select installation.epoch
from funnelproof.installation
for share
