"""What more kinds of windows cost: one against four over the same work."""

from bench.dataset import Dataset
from bench.measures.finding import Finding, Setting
from bench.ours import Ours
from bench.race import race

_CHOICES = (("day",), ("hour", "day", "week", "month"))


async def measure(setting: Setting, dataset: Dataset) -> Finding:
    """Run the worker with one and with four kinds; each kind's counts are compared."""
    rows = []
    for kinds in _CHOICES:
        folder = setting.folder / f"kinds{len(kinds)}"
        outcome = await race(Ours(kinds), dataset, folder, setting.limit, kinds)
        rows.append(
            {
                "window kinds": ", ".join(kinds),
                "events/s": outcome.events_per_second,
                "CPU s": outcome.cpu_seconds,
                "of which start": outcome.cpu_before_first,
                "peak MiB": outcome.peak_mib,
                "exact": outcome.exact,
            }
        )
    return Finding("One and four kinds of windows", f"{dataset.work.size:,} events, one worker each.", rows)
