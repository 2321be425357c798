"""`status` and `top` for people, on the real stack: with a worker, and after the worker's end."""

import asyncio
import re
import time
from uuid import UUID

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import PATIENCE, Installation

LIVE = """
select from_stage, to_stage, entered_count, converted_count from dyno_crm.stage_conversion_live
where pipeline_id = $1 and window_name = '1h' order by from_stage
"""


async def top(installation: Installation, pipeline: UUID, status: int) -> str:
    """Print the picture of the hour until the exit status is this; a busy machine may be late for a moment."""
    words = ("top", "--once", "--pipeline", str(pipeline), "--window", "1h")
    deadline = time.monotonic() + PATIENCE
    while (done := await asyncio.to_thread(installation.run, *words)).returncode != status:
        assert time.monotonic() < deadline, (done.stdout, done.stderr, installation.evidence())
    assert done.stderr == ""
    return done.stdout.replace("\N{NO-BREAK SPACE}", " ")


async def test_the_picture_has_the_numbers_of_the_live_view_and_status_is_well_until_no_worker_lives(
    installation: Installation, funnel: Funnel
) -> None:
    await funnel.enter_two_deals(installation.connection, await installation.now())
    await installation.proven()
    shown = await top(installation, funnel.pipeline, 0)
    live = await installation.connection.fetch(LIVE, funnel.pipeline)
    assert [row["entered_count"] for row in live] == [2, 2]
    for row in live:
        name = f"{row['from_stage']} → {row['to_stage']}"
        assert re.search(
            rf"^{name} +{row['entered_count']} +█+ +{row['converted_count']} ", shown, re.MULTILINE
        ), shown
    assert re.search(r"^● Live: \d\.\d s behind the CRM; proven \d s ago", shown, re.MULTILINE)
    told = await asyncio.to_thread(installation.run, "status")
    assert told.returncode == 0, told.stdout
    first, *lines = told.stdout.splitlines()
    assert first == f"{installation.settings.instance}: all is well"
    signs = {line[2:15].strip(): line[0] for line in lines}
    assert signs.pop("compared") in {"-", "✓"}  # other tests of the installation may have compared
    well = ("servers", "workers", "capture", "proof", "windows", "dead letters", "published")
    assert signs == dict.fromkeys(well, "✓") | {"alerts": "-"}

    assert await installation.workers[-1].stop() == 0
    told = await asyncio.to_thread(installation.run, "status")
    assert told.returncode == 1
    assert re.search(
        r"^✗ workers +no worker lives .* → start a worker with `funnelproof worker`$",
        told.stdout,
        re.MULTILINE,
    )
    shown = await top(installation, funnel.pipeline, 1)
    assert re.search(r"^(▲ Late|✗ Not live): \d+ s (behind|old) \(partition \d", shown, re.MULTILINE)
    assert "`funnelproof status` says what to do" in shown
    installation.start_worker()
    await installation.wait_until_folding()
