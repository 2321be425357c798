-- The current epoch: what the counts stand for.
select epoch.*
from funnelproof.web_epoch as epoch
