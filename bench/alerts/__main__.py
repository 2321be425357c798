"""Figures of the detector.

python -m bench.alerts alarms --months 100        false alarms in five shapes of traffic, with other tests beside
python -m bench.alerts delays --pairs 200         how soon drops are found
python -m bench.alerts applications FILE.csv.gz   a year of real loan applications: columns deal, stage, entered_at
python -m bench.alerts load FILE.csv.gz           the same applications, written into the CRM FUNNELPROOF_SOURCE_DSN
python -m bench.alerts speed                      a year of hours of 100 pipelines, and a look at 10,000 pipelines
python -m bench.alerts scale                      the evaluator with 10,000 pipelines on an embedded Postgres
python -m bench.alerts telling                    from a proof to the message on the topic, with 10,000 pipelines
"""

import argparse
import asyncio
import os
import shlex
import sys
from math import exp
from pathlib import Path

import numpy as np

from bench.alerts import applications, loading
from bench.alerts.rivals import PreviousWindow, ScoreTest
from bench.alerts.scale import on_embedded
from bench.alerts.speed import looks, year
from bench.alerts.telling import telling
from bench.alerts.watching import DROP, FIRST, HOUR, PAIRS, watch
from streams.domain.detection.cusum import MONTH
from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import Reals
from streams.domain.detection.season import season_of
from streams.domain.detection.shapes import SHAPES

RATES = (0.2, 0.5, 0.8)
WARM_UP = 28 * 24
"""Windows before alarms are counted."""


def alarms(months: float, pairs: int, days: int, seed: int, shapes: list[str]) -> None:
    """Print the false alarms a pipeline and month, in rounds over the shapes, until each shape has the months."""
    rates = np.resize(RATES, pairs)
    a_round = pairs / PAIRS * days * 24 * HOUR / MONTH
    rounds = max(1, -int(-months // a_round))
    totals = {shape: np.zeros(5) for shape in shapes}
    for number in range(rounds):
        for shape in shapes:
            totals[shape] += _round(Traffic(shape, rates, seed + number), WARM_UP + days * 24)
            seen = a_round * (number + 1)
            ours, score, previous, surprising, windows = totals[shape]
            say(
                f"{shape:9} {seen:6.1f} pipeline-months: {int(ours)} alarms, {ours / seen:.2f} a month "
                f"(95 % limit {upper_limit(int(ours)) / seen:.2f}); score test {score / seen:.0f}, "
                f"previous window {previous / seen:.0f}; E >= 20 in {surprising / windows:.2%} of windows",
            )
    pooled, seen = sum(total[0] for total in totals.values()), a_round * rounds * len(shapes)
    say(f"pooled: {pooled / seen:.2f} a month (95 % limit {upper_limit(int(pooled)) / seen:.2f})")


def _round(traffic: Traffic, windows: int) -> Reals:
    pairs, season = len(traffic.rates), season_of("hour")
    watched = watch(traffic.windows(windows), pairs, WARM_UP)
    score, previous = ScoreTest(pairs, season.slots, DROP), PreviousWindow(pairs, DROP)
    for window, profile in enumerate(traffic.windows(windows)):
        counted = window >= WARM_UP
        score.watch(profile, season.slot_of(FIRST + window * HOUR), counted=counted)
        previous.watch(profile, counted=counted)
    ours = watched.alarms(WARM_UP)
    return np.array([ours, score.alarms, previous.alarms, watched.surprising, watched.windows], np.float64)


def say(line: str) -> None:
    """Write a line at once: a measurement may take an hour."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def upper_limit(count: int) -> float:
    """Return the mean of a Poisson variable that is at most `count` with the probability 5 % (Garwood 1936)."""
    low: float = count
    high: float = count + 20 + 5 * count**0.5
    while high - low > 1e-6:
        middle = (low + high) / 2
        term = total = exp(-middle)
        for k in range(1, count + 1):
            term *= middle / k
            total += term
        low, high = (middle, high) if total > 0.05 else (low, middle)
    return high


def delays(pairs: int, seed: int) -> None:
    """Print the windows from the beginning of a drop to the alarm, and the alarms and ends in 40 windows of drop."""
    at = WARM_UP + 24
    for rate in (0.2, 0.5):
        for drop in (0.5, 0.3):
            traffic = Traffic("steady", np.full(pairs, rate), seed, drop=drop, drop_at=at)
            watched = watch(traffic.windows(at + 40), pairs, WARM_UP)
            late = np.quantile(watched.delays(pairs, at), [0.5, 0.9], method="higher")
            ended = sum(window >= at for window, _, _ in watched.ended)
            say(
                f"rate {rate:.0%}, drop {drop:.0%}: median {late[0]:.2f} windows, nine of ten {late[1]:.2f}; "
                f"{watched.alarms(at) / pairs:.2f} alarms and {ended / pairs:.2f} ends a pair in 40 windows of drop",
            )


def real(path: Path, repeats: int) -> None:
    """Print the alarms in real traffic, and the days until an injected drop of 50 % is found."""
    windows, profiles = applications.days(applications.read(path))
    found = applications.watch_days(windows, iter(profiles))
    counted = len(windows) - applications.LEARNED
    say(f"{found.alarms(applications.LEARNED)} alarms in {counted} days of four pairs")
    late = []
    random = np.random.default_rng(3)
    for seed in range(repeats):
        at = int(random.integers(70, 130))
        while applications.is_weekend(windows[at]):
            at += 1
        some = applications.dropped(profiles[: at + 20], at, 0.5, seed)
        late.append(applications.watch_days(windows[: at + 20], some).delays(len(applications.PAIRS), at))
    for pair, of_pair in zip(applications.PAIRS, np.array(late).T, strict=True):
        say(
            f"{' > '.join(pair)}: an injected drop of 50 % is found in {np.median(of_pair):.1f} days (median)"
        )
    say(f"all pairs: {np.median(late):.1f} days (median)")


def load(path: Path) -> None:
    """Write the applications into a CRM, and print the settings with which funnelproof follows them."""
    dsn = os.environ["FUNNELPROOF_SOURCE_DSN"]
    for name, value in asyncio.run(loading.load(dsn, applications.read(path))).items():
        say(f"export {name}={shlex.quote(value)}")


def speed(pipelines: int, many: int, windows: int, processes: int, seed: int) -> None:
    """Print the time of a replay, and the time and memory of a look."""
    wall, cpu, alarms = year(pipelines, windows, processes, seed)
    say(
        f"{windows} windows of {pipelines} pipelines, 12 looks each: {wall:.0f} s, {cpu:.0f} s CPU, {alarms} alarms"
    )
    looked, closed, opened, memory = looks(many, seed)
    say(
        f"{many} pipelines: a look {looked:.2f} s CPU, a close {closed:.2f} s, an opening {opened:.2f} s; "
        f"{memory:.0f} MB"
    )


def main(arguments: list[str]) -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(prog="python -m bench.alerts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    of_alarms = commands.add_parser("alarms")
    of_alarms.add_argument("--months", type=float, default=100.0)
    of_alarms.add_argument("--days", type=int, default=60)
    of_alarms.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    of_delays = commands.add_parser("delays")
    of_speed = commands.add_parser("speed")
    of_speed.add_argument("--pipelines", type=int, default=100)
    of_speed.add_argument("--many", type=int, default=10_000)
    of_speed.add_argument("--windows", type=int, default=365 * 24)
    of_speed.add_argument("--processes", type=int, default=2)
    commands.add_parser("load").add_argument("path", type=Path)
    for command, pairs in ((of_alarms, 60), (of_delays, 100), (of_speed, 0)):
        if pairs:
            command.add_argument("--pairs", type=int, default=pairs)
        command.add_argument("--seed", type=int, default=1)
    of_real = commands.add_parser("applications")
    of_real.add_argument("path", type=Path)
    of_real.add_argument("--repeats", type=int, default=20)
    for command in (commands.add_parser("scale"), commands.add_parser("telling")):
        command.add_argument("--pipelines", type=int, default=10_000)
        command.add_argument("--days", type=int, default=16)
    chosen = parser.parse_args(arguments)
    match chosen.command:
        case "alarms":
            alarms(chosen.months, chosen.pairs, chosen.days, chosen.seed, chosen.shapes)
        case "delays":
            delays(chosen.pairs, chosen.seed)
        case "speed":
            speed(chosen.pipelines, chosen.many, chosen.windows, chosen.processes, chosen.seed)
        case "load":
            load(chosen.path)
        case "scale":
            asyncio.run(on_embedded(chosen.pipelines, chosen.days, lambda cost: say(str(cost))))
        case "telling":
            asyncio.run(telling(chosen.pipelines, chosen.days, say))
        case _:
            real(chosen.path, chosen.repeats)


if __name__ == "__main__":
    main(sys.argv[1:])
