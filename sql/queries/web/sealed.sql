-- The instant up to which windows of a kind are past their retention.
select sealed.sealed_until
from funnelproof.web_sealed as sealed
where sealed.window_name = $1
