"""Do conversions drop? A detector with a budget of false alarms, for many pairs of stages at once.

How to use the package (the program that follows live windows, and the simulator, do the same):

    season = season_of("hour", "Europe/Amsterdam")             # season.py
    log_a = log_threshold(pairs=5, window=HOUR, budget=1.0)    # cusum.py: 5 pairs a pipeline, an alarm a month
    detector = Detector.empty(len(pairs), season, DropTest(0.3), log_a)

- **History.** `replay(detector, windows)` takes (start, profile) of stored runs, the first window first, and yields
  each look. `decode(entered, converted)` makes a profile of the numbers that Postgres sends: a row for each pair, in
  the order of the detector's pairs. A pair without a run in a window has the profile 0.
- **Live.** `detector.open(start)` when a window begins; `detector.look(profile, age)` when bucket `age` (0 to 10) has
  ended and is proven; `detector.close(profile)` when the window is closed. Looks may be left out, a close may not.
  A `Look` says for each pair if an alert fired, resolved, or was adopted as the new level. `account` and `odds` make
  the numbers for people, from `detector.under`. Windows open and close in the order of time; times are microseconds.
- **Revisions.** `detector.revise(start, rows, before, after)` replaces the profiles of some pairs in a closed window,
  and says of which pairs the evidence changes. For these, `detector.rescore(rows, windows)` computes the evidence anew
  from the present profiles since `detector.state.since`. Where the result is below `detector.log_threshold`,
  `detector.retract(pairs)` takes a firing alert back.
- **Restart.** `detector.snapshot()` gives bytes, `Detector.restore(file, season, test, log_a)` the detector again. The
  bytes hold no rule: another threshold or another drop may be given, another season may not.
- **Pairs come and go.** `detector.grow(count)` adds pairs behind the others, `detector.keep(rows)` keeps some.

The evidence and the sources are explained in `evidence`, `cusum` and `detector`; docs/alerts.md has the figures.
"""
