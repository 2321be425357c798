-- The reasons for which no closed window is revised.
select log_in_doubt.reason
from funnelproof.log_in_doubt
