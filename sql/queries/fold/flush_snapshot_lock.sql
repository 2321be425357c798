-- Serializes the flushes that met a snapshot: each of two workers would take its snapshot for the only one.
lock table funnelproof.snapshot in share row exclusive mode
