"""Alerts: rules, and the streams that a rule covers."""
