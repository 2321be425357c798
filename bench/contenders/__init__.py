"""The contenders' own programs: each runs in its own environment and imports nothing of `bench` but `funnel`."""
