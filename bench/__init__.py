"""Funnelproof and other engines on the same work, measured side by side: `python -m bench`."""
