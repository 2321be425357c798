"""A supervisor keeps several programs running. The package knows nothing about funnels."""
