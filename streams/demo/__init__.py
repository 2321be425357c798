"""The demo: a simulated CRM, followed from nothing to proven facts."""
