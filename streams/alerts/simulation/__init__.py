"""Simulations: rules over stored or generated windows, through the code that looks live, with drops injected."""
