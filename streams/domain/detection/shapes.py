"""The names of the shapes of generated traffic: see `generated`."""

SHAPES = ("steady", "weekly", "small", "bursty", "trending")
