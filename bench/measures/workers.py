"""What a second worker brings: the same work by one process and by two."""

import asyncio

from bench.dataset import Dataset
from bench.measures.finding import Finding, Setting
from bench.measures.fleet import fleet


async def measure(setting: Setting, dataset: Dataset) -> Finding:
    """Run one worker, then two that start together."""
    rows = []
    for count in (1, 2):
        async with fleet(setting, dataset, f"workers{count}") as workers:
            running = [workers.start() for _ in range(count)]
            await workers.until_began()
            begun = [worker.cpu() for worker in running]
            seconds = await workers.until_exact()
            cpu = [worker.cpu() for worker in running]
            shares = sorted((await workers.shares()).values())
            await asyncio.to_thread(workers.stop_all)
        work = dataset.work.size
        rows.append(
            {
                "workers": count,
                "events/s": work / seconds,
                "CPU s in all": sum(cpu),
                "of which start": sum(begun),
                "CPU us an event": (sum(cpu) - sum(begun)) / work * 1e6,
                "share of events": " + ".join(f"{share / work:.0%}" for share in shares),
            }
        )
    return Finding(
        "One and two workers",
        "From the first takeover of partitions to exact counts. Start: CPU until then. Where two start together the "
        "second one joins after the first has begun, and the partitions are shared anew. Broker, Postgres and "
        "workers have the same cores.",
        rows,
    )
