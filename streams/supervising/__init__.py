"""A supervisor keeps programs running beside each other. The package knows nothing about funnels."""
