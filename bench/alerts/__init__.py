"""Figures of the detector: false alarms, delays, and a year of real loan applications."""
