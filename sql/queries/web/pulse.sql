-- How far the counts are folded and proven, and the database's clock.
select *
from funnelproof.web_pulse
