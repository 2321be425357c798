"""Programs that are kept running beside each other, under one supervisor; knows nothing about funnels."""
