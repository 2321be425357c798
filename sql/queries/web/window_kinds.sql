-- The window kinds that are counted, in the order of the settings.
select kind.window_name
from funnelproof.web_window_kind as kind
order by kind.number
