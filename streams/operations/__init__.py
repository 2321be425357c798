"""An operator's view: a worker's metrics, health and site; an installation's status; the capture of changes."""
