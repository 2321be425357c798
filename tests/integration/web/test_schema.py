"""The API is what its own description says: schemathesis plays every operation, with all checks."""

import asyncio
import sys
from pathlib import Path

import pytest

from streams.explaining import Fault
from streams.settings import Settings
from streams.web.gate import TokenGate
from streams.web.tokens import add_token
from tests.integration.web.conftest import Town, serving
from tests.integration.web.crm import write_deals
from tests.integration.web.desk import DAY, NOW, name
from tests.integration.web.found import find, finding, mend
from tests.integration.web.installation import doubt, letter, mark

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]
TODAY = NOW.replace(hour=0, minute=0, second=0)
EXAMPLES = 5
"""The examples of each operation and phase."""
HOOKS = Path(__file__).parent / "schemathesis_hooks.py"


async def play(address: str, folder: Path, *options: str, known: dict[str, str] | None = None) -> str:
    """Return what schemathesis has found at `address`. `known`: values of parameters, so that answers have content."""
    file = folder / "schemathesis.toml"
    given = "".join(f'"{parameter}" = "{value}"\n' for parameter, value in (known or {}).items())
    text = f'hooks = "{HOOKS}"\n' + (f"[parameters]\n{given}" if given else "")
    await asyncio.to_thread(file.write_text, text)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(file), "run", f"{address}/api/openapi.json",
        "--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--continue-on-failure", "--seed", "1", "--no-color", *options,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    return "" if process.returncode == 0 else told.decode()


@pytest.fixture
async def full(town: Town) -> Town:
    """The town with deals, an alert, an expectation, doubts, dead letters, and a repair: every answer has content."""
    await write_deals(town.desk, town.acme, town.sales, TODAY, 120, 30)
    await town.desk.judge("day")
    await town.desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
    await town.desk.expect((town.acme, town.sales), ("day", TODAY, TODAY + DAY), 20, 0.44, learned=True)
    await town.desk.reconciled("different", {"differences": 2})
    await mark(town.desk, needed={0: 100})
    await doubt(town.desk, "slot", "the replication slot was moved")
    await letter(town.desk, "no JSON", 7)
    deal = name(town.sales, TODAY, "deal", 0)
    lost = finding((town.acme, town.sales), TODAY - 3 * DAY, Fault.LOST, "lost", deal=deal)
    await find(town.dsn, [lost])
    await mend(town.desk, [lost], outcome="different", message="still different")
    return town


async def test_any_request_gets_an_answer_that_is_described(full: Town, tmp_path: Path) -> None:
    with serving(Settings(source_dsn=full.dsn, deals_dsn=full.dsn)) as address:
        assert await play(address, tmp_path) == ""


async def test_a_program_with_a_token_gets_answers_with_content_as_described(
    full: Town, tmp_path: Path
) -> None:
    """Wrong requests are asked in the test above."""
    known = {
        **full.where,
        "from_stage": str(name(full.sales, 0)),
        "to_stage": str(name(full.sales, 1)),
        "run_id": str(name(full.acme, full.sales, "day", TODAY - 3 * DAY, 2)),
        "deal_id": str(name(full.sales, TODAY, "deal", 0)),
    }
    token = await add_token(full.desk.connection, "program", [full.acme], ["deals"], None)
    header = "--header", f"Authorization: Bearer {token}"
    with serving(Settings(source_dsn=full.dsn, deals_dsn=full.dsn), gate=TokenGate()) as address:
        assert await play(address, tmp_path, *header, "--mode", "positive", known=known) == ""
