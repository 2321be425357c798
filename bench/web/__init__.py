"""Measures of the page, in Chromium, on a whole installation."""
