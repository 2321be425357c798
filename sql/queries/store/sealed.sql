-- Until when each window kind is sealed: windows that end by then are neither written nor revised any more.
select
    sealed.window_name,
    sealed.sealed_until
from funnelproof.sealed
