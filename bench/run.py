"""One benchmark: the servers, the common work, the contenders one after the other, then the measures."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

from rich.console import Console

from bench.contender import Contender
from bench.contestants import contestants
from bench.dataset import Dataset, laid_out
from bench.machine import machine
from bench.measures import closing, comparisons, job, kinds, latency, proof, replay, source, workers
from bench.measures.finding import Finding, Setting
from bench.race import Outcome, race
from bench.servers import running_connect, running_servers
from bench.standings import as_json
from bench.web import answers, cells, followers, pixels, stops
from bench.work import Work

OVER_THE_WORK: Mapping[str, Callable[[Setting, Dataset], Awaitable[Finding]]] = {
    "kinds": kinds.measure,
    "workers": workers.measure,
    "replay": replay.measure,
}
THROUGH_THE_CONNECTOR: Mapping[str, Callable[[Setting], Awaitable[Finding]]] = {
    "latency": latency.measure,
    "proof": proof.measure,
    "closing": closing.measure,
    "source": source.measure,
    "job": job.measure,
    "comparisons": comparisons.measure,
    "page-cells": cells.measure,
    "page-pixels": pixels.measure,
    "page-followers": followers.measure,
    "page-stops": stops.measure,
    "page-answers": answers.measure,
}
MEASURES = (*OVER_THE_WORK, *THROUGH_THE_CONNECTOR)


@dataclass(frozen=True)
class Options:
    """What is to be run; `limit` and `seconds` as in Setting."""

    contenders: Sequence[str]
    measures: Sequence[str]
    events: int
    repeat: int
    limit: float
    seconds: float


@dataclass
class Results:
    """What one run of the benchmark has found."""

    options: Options
    machine: Mapping[str, object]
    outcomes: list[Outcome] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def ours_exact(self) -> bool:
        """Whether every run of funnelproof was exact; also where there was none."""
        return all(outcome.exact for outcome in self.outcomes if outcome.contender == "ours")

    def as_json(self) -> dict[str, object]:
        """Return everything in plain types."""
        return {
            "machine": dict(self.machine),
            "options": asdict(self.options),
            "contenders": as_json(self.outcomes),
            "measures": {name: asdict(finding) for name, finding in self.findings.items()},
        }


async def run(options: Options, folder: Path, console: Console) -> Results:
    """Run everything that was chosen; raises FunnelproofError where something cannot be set up."""
    results = Results(options, machine())
    chosen = [contestants()[name] for name in options.contenders]
    for contender in chosen:
        with _told(console, f"preparing {contender.name}"):
            contender.prepare()
    with running_servers(folder / "servers", console) as servers:
        setting = Setting(servers, folder, options.limit, options.seconds, console)
        await _over_the_work(results, chosen, setting)
        if set(options.measures) & set(THROUGH_THE_CONNECTOR):
            with running_connect(servers, folder / "servers", console) as all_servers:
                setting = Setting(all_servers, folder, options.limit, options.seconds, console)
                for name in options.measures:
                    if measure := THROUGH_THE_CONNECTOR.get(name):
                        with _told(console, f"measuring {name}"):
                            results.findings[name] = await measure(setting)
    return results


async def _over_the_work(results: Results, chosen: Sequence[Contender], setting: Setting) -> None:
    """Lay out the whole work and, for those that are given less, a smaller one."""
    options = results.options
    measures = [name for name in options.measures if name in OVER_THE_WORK]
    shares = {contender.share for contender in chosen} | ({Fraction(1)} if measures else set())
    for share in sorted(shares, reverse=True):
        work = Work(max(1, round(options.events * share)))
        setting.console.print(f"laying out {work.size:,} events ...", highlight=False)
        async with laid_out(setting.servers, work) as dataset:
            for contender in chosen:
                if contender.share == share:
                    results.outcomes += await _races(contender, dataset, setting, options.repeat)
            for name in measures if share == 1 else ():
                with _told(setting.console, f"measuring {name}"):
                    results.findings[name] = await OVER_THE_WORK[name](setting, dataset)
    results.outcomes.sort(key=lambda outcome: options.contenders.index(outcome.contender))


async def _races(contender: Contender, dataset: Dataset, setting: Setting, repeat: int) -> list[Outcome]:
    outcomes = []
    for number in range(repeat):
        with _told(setting.console, f"{contender.name} over {dataset.work.size:,} events"):
            place = setting.folder / "races" / f"{contender.name}-{number}"
            outcome = await race(contender, dataset, place, setting.limit)
        if outcome.trouble:
            setting.console.print(outcome.trouble, style="yellow", markup=False, highlight=False)
        outcomes.append(outcome)
    return outcomes


@contextmanager
def _told(console: Console, what: str) -> Iterator[None]:
    """Say what is done, and after it how long it took."""
    began = time.monotonic()
    console.print(f"{what} ...", highlight=False)
    yield
    console.print(f"{what}: {time.monotonic() - began:.1f} s", highlight=False)
