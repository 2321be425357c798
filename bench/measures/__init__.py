"""What is measured of funnelproof beside the common work, each in a module of its own."""
