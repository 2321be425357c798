"""Repairs: what mends a difference between facts and canonical SQL, planned, recorded, done, and compared again."""
