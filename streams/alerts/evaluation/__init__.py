"""The evaluator: looks at windows as they are proven, and decides the transitions of alerts.

A `watch` is a rule over one kind of window in one tiling. A watch reads profiles from Postgres, lets a detector look,
and keeps the states of its alerts in a `book`. The `evaluator` runs all watches at one moment in one transaction: a
transition, the states and the cursor are written together, or not at all.
"""
