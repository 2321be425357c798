"""What operators see of a running worker: metrics, health, and the web site that serves both."""
