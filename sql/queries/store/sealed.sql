-- The seal of each window kind: a window that ends by `sealed_until` is neither written nor revised any more.
select
    sealed.window_name,
    sealed.sealed_until
from funnelproof.sealed
