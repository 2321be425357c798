"""Writes entries of new deals at a steady rate, until the writer is ended.

`python -m bench.measures.writer DSN ROWS_A_SECOND [PERCENT]`: PERCENT of the rows are not written; as many entries that
are 15 seconds old or older are moved back in time instead. One row a transaction for up to 100 rows a second, else
fifty transactions; a long stall is not made up for.
"""

import asyncio
import random
import sys
import time
from collections import deque
from uuid import UUID

import asyncpg

from bench.statements import statement
from bench.work import Work

_SEED = 3
_CORRECTED_AFTER = 15.0
"""Seconds: by then most windows of ten seconds have closed."""


async def write(dsn: str, rate: int, percent: int = 0) -> None:
    """Write until the process is ended."""
    draw = random.Random(_SEED)
    stages = [
        (UUID(pipeline.tenant_id), UUID(pipeline.id), UUID(stage))
        for pipeline in Work(0).pipelines
        for stage in pipeline.stages
    ]
    commits = rate if rate <= 100 else 50
    connection = await asyncpg.connect(dsn)
    due = time.monotonic()
    corrections = rate * percent // 100 // commits
    written: deque[tuple[float, UUID]] = deque()
    while True:
        rows = [draw.choice(stages) for _ in range(rate // commits - corrections)]
        ids = await connection.fetch(statement("entry_insert"), *map(list, zip(*rows, strict=True)))
        if corrections:
            now = time.monotonic()
            written.extend((now, row["id"]) for row in ids[:corrections])
            old = [
                written.popleft()[1]
                for _ in range(corrections)
                if written and now - written[0][0] > _CORRECTED_AFTER
            ]
            await connection.execute(statement("entry_correct"), old)
        due = max(due + 1 / commits, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], *map(int, sys.argv[2:])))
