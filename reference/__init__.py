"""The reference of the documentation, made from the code: `python -m reference` writes the pages of docs/reference/."""
