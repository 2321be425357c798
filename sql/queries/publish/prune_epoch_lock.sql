-- Keeps the current epoch until the transaction's end: no other epoch can begin, neither a new nor a former one.
select installation.epoch
from funnelproof.installation
for share
