"""Writes entries of new deals at a steady rate: `python -m bench.measures.writer DSN ROWS_A_SECOND`, until it is ended.

One row a transaction for up to 100 rows a second, else fifty transactions; a long stall is not made up for.
"""

import asyncio
import random
import sys
import time
from uuid import UUID

import asyncpg

from bench.statements import statement
from bench.work import Work

_SEED = 3


async def write(dsn: str, rate: int) -> None:
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
    while True:
        rows = [draw.choice(stages) for _ in range(rate // commits)]
        await connection.execute(statement("entry_insert"), *map(list, zip(*rows, strict=True)))
        due = max(due + 1 / commits, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2])))
