"""Near-real-time funnel conversion counts, proven equal to the canonical SQL."""
