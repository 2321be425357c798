"""The page for engineers: every state of an installation, told from the report database alone."""

import asyncio
import math
import re
import time
from typing import Any

import httpx
import pytest

from streams.settings import Settings
from streams.web.gate import ProxyGate, TokenGate
from streams.web.tokens import add_token
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.desk import DAY, NOW, Desk
from tests.integration.web.installation import (
    compare,
    deliver,
    doubt,
    letter,
    living,
    mark,
    overdue_hour,
)
from tests.integration.web.test_page import Cells

TODAY = NOW.replace(hour=0, minute=0, second=0)
PATHS = ("/operations", "/operations/live", "/api/v1/operations")


async def told(client: httpx.AsyncClient) -> Any:  # noqa: ANN401 - JSON
    answer = await client.get("/api/v1/operations")
    assert answer.status_code == 200, answer.text
    return answer.json()


def parts_of(operations: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [trouble["part"] for trouble in operations["troubles"]]


def text_of(operations: Any, part: str) -> str:  # noqa: ANN401 - JSON
    found: str = next(each["text"] for each in operations["troubles"] if each["part"] == part)
    return found


async def test_before_the_first_worker_the_page_says_how_to_begin(database: str) -> None:
    with serving(Settings(source_dsn=database)) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            for _ in range(2):
                page = await client.get("/operations")
                assert "<h1>Nothing runs yet</h1>" in page.text
                assert "<code>funnelproof connector apply</code>" in page.text
                assert (await told(client))["state"] == "empty"
                desk = await Desk.open(database)
                await desk.connection.execute(
                    "insert into funnelproof.installation (instance, installed_at) values ('funnelproof', $1)"
                    " on conflict do nothing",
                    NOW,
                )
                await desk.connection.close()


async def test_a_well_installation_has_no_trouble(client: httpx.AsyncClient, town: Town) -> None:
    async with living(town.dsn, "worker", "one"), living(town.dsn, "alerts", "evaluator"):
        await town.desk.judge("day")
        await mark(town.desk, needed={0: 100})
        for ago in range(1, 11):
            await compare(town.desk, TODAY - ago * DAY, age=60.0 * ago)
        await town.desk.flush()
        found = await told(client)
        assert (found["state"], found["troubles"]) == ("well", [])
        (worker,) = found["workers"]
        assert (worker["name"], worker["lives"], worker["partitions"]) == ("one", True, [0])
        (partition,) = found["partitions"]
        assert (partition["position"], partition["end"], partition["lag"]) == (100, 100, 0)
        assert found["proof"]["waits_for"] is None
        assert found["epoch"]["epoch"] == str(town.desk.epoch)
        assert (found["windows"]["open"], found["windows"]["overdue"]) == (2, 0)
        compared = found["comparisons"]
        assert (compared["windows"], compared["never_compared"], compared["different"]) == (10, 0, 0)
        assert compared["newest_age"] == pytest.approx(60, abs=10)
        assert compared["oldest_age"] == pytest.approx(600, abs=10)
        page = await client.get("/operations")
        assert "All is well" in page.text
        assert "Nothing waits for a receiver." in page.text
        assert "No doubt, and no dead letter." in page.text


async def test_without_a_living_worker_nothing_else_is_the_cause(
    client: httpx.AsyncClient, town: Town
) -> None:
    await town.desk.flush(age=90, proof_age=90)
    await mark(town.desk, age=91, needed={0: 100})
    found = await told(client)
    assert parts_of(found) == ["workers", "proof"]
    assert re.match(
        r"Nothing is proven for 9\d s, and no window closes\. The proof waits for a worker: the last marker was sent",
        text_of(found, "proof"),
    )
    (worker,) = found["workers"]
    assert (worker["name"], worker["lives"]) == ("one", False)
    assert found["partitions"][0]["lag"] is None  # the log's end of 91 s ago hides newer records
    assert Cells((await client.get("/operations")).text).of("Lag") == ["cannot tell"]


async def test_a_marker_that_does_not_come_is_what_the_proof_waits_for(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await town.desk.flush(proof_age=50)
        await mark(town.desk, age=60, needed={0: 100})
        began = time.monotonic()
        await mark(town.desk, age=40)
        await mark(town.desk, age=10)
        waits = (await told(client))["proof"]["waits_for"]
        silent = range(40, 41 + math.ceil(time.monotonic() - began))
        told_of = (
            "marker 3, which has not come out of Kafka, nor have the 1 before: the capture is silent for"
        )
        assert waits.startswith(tuple(f"{told_of} {seconds} s" for seconds in silent))
        await town.desk.connection.execute("truncate funnelproof.marker")
        await mark(town.desk, age=20, emitted=False)
        assert (await told(client))["proof"]["waits_for"].startswith("the CRM's database: marker")


async def test_the_lag_is_what_is_left_to_the_end_that_a_proof_waits_for(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await town.desk.flush(proof_age=50)
        await mark(town.desk, age=20, needed={0: 4_220})
        found = await told(client)
        assert found["partitions"][0]["lag"] == 4_120
        assert found["proof"]["waits_for"] == ("partition 0 to be folded to the log's end: 4,120 records")


async def test_an_overdue_window_says_what_it_waits_for(client: httpx.AsyncClient, town: Town) -> None:
    async with living(town.dsn, "worker", "one"):
        await overdue_hour(town.desk)
        await town.desk.flush()
        found = await told(client)
        assert parts_of(found) == ["windows"]
        first = found["windows"]["first"][0]
        assert (first["window"], first["state"]) == ("hour", "overdue")
        assert first["waits_for"].startswith("transactions of the CRM that had written when the window ended")
        await town.desk.flush(proof_age=30)
        await mark(town.desk, age=30)
        first = (await told(client))["windows"]["first"][0]
        assert first["waits_for"].startswith("a proof, which waits for marker 1")


async def test_doubts_and_dead_letters_come_with_their_remedies(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await doubt(town.desk, "slot", "the replication slot was moved")
        for offset in (7, 8):
            await letter(town.desk, "no LSN", offset, age=3600)
        await letter(town.desk, "<b>no JSON</b>", 9, age=60)
        await town.desk.flush()
        found = await told(client)
        assert parts_of(found) == ["doubts", "doubts"]
        (slot,) = found["doubts"]
        assert (slot["kind"], slot["reason"]) == ("slot", "the replication slot was moved")
        assert "`funnelproof rebuild`" in slot["remedy"]
        letters = found["dead_letters"]
        assert (letters["letters"], letters["age"]) == (3, pytest.approx(3600, abs=10))
        assert [(each["reason"], each["letters"], each["oldest"]) for each in letters["reasons"]] == [
            ("no LSN", 2, "0/7"),
            ("<b>no JSON</b>", 1, "0/9"),
        ]
        assert "<b>no JSON" not in (await client.get("/operations")).text


async def test_windows_that_differ_are_named_with_the_time_since(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await compare(town.desk, TODAY - DAY)
        await compare(town.desk, TODAY - 2 * DAY, "different")
        await compare(town.desk, TODAY - 3 * DAY, "undecided")
        await town.desk.flush()
        found = await told(client)
        assert parts_of(found) == ["comparisons"]
        compared = found["comparisons"]
        assert (compared["never_compared"], compared["undecided"], compared["different"]) == (7, 1, 1)
        (day,) = compared["differing"]
        assert (day["start"], day["age"]) == ("2026-06-08T00:00:00Z", pytest.approx(7200, abs=10))


async def test_the_last_comparisons_are_listed(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.reconciled()
    await town.desk.reconciled("different", {"differences": 2})
    await compare(town.desk, TODAY - DAY)
    cells = Cells((await client.get("/operations")).text)
    assert cells.of("Outcome") == ["different", "equal"]
    assert cells.of("Differences") == ["2", "0"]


async def test_alerts_that_wait_for_a_receiver_are_told_with_the_last_error(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await town.desk.judge("day", age=400)
        await town.desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
        await deliver(town.desk, "on-call", age=300, error="503 from the pager")
        await deliver(town.desk, "mail", age=1, given_up=True)
        await town.desk.flush()
        found = await told(client)
        assert [trouble["text"] for trouble in found["troubles"]] == [
            "Nobody evaluates the alert rules for 7 min: start `funnelproof alerts run`.",
            "1 alert waits for the receiver on-call, the oldest for 5 min: 503 from the pager.",
        ]
        assert [(each["receiver"], each["waiting"], each["given_up"]) for each in found["receivers"]] == [
            ("mail", 0, 1),
            ("on-call", 1, 0),
        ]


async def test_a_trouble_is_pushed_within_a_second_and_its_end_too(
    client: httpx.AsyncClient, town: Town
) -> None:
    async with living(town.dsn, "worker", "one"):
        await town.desk.flush()
        async with client.stream("GET", "/operations/live") as stream:
            lines = stream.aiter_lines()

            async def until(text: str) -> float:
                begun = asyncio.get_running_loop().time()
                async with asyncio.timeout(10):
                    async for line in lines:
                        if text in line:
                            break
                return asyncio.get_running_loop().time() - begun

            await until("All is well")
            await doubt(town.desk, "slot", "the replication slot was moved")
            assert await until("the replication slot was moved") < 1
            await town.desk.connection.execute("update funnelproof.doubt set resolved_at = clock_timestamp()")
            await town.desk.flush()
            assert await until("All is well") < 1


async def test_only_a_reader_of_all_tenants_with_the_permission_sees_operations(town: Town) -> None:
    connection = town.desk.connection
    tokens = {
        "operator": (await add_token(connection, "operator", None, ["operations"], None), 200),
        "everything": (await add_token(connection, "everything", None, ["deals"], None), 404),
        "tenant": (await add_token(connection, "tenant", [town.acme], [], None), 404),
        "both": (await add_token(connection, "both", [town.acme, town.other], ["operations"], None), 404),
    }
    with serving(Settings(source_dsn=town.dsn), gate=TokenGate()) as address:
        for reader, (token, status) in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(
                verify=PLAIN, base_url=address, timeout=20, headers=headers
            ) as client:
                for path in PATHS:
                    async with client.stream("GET", path) as answer:
                        assert answer.status_code == status, (reader, path)
                page = await client.get("/", params=town.where)
                assert ('href="/operations"' in page.text) == (status == 200), reader
        async with httpx.AsyncClient(verify=PLAIN, base_url=address) as stranger:
            for path in PATHS:
                assert (await stranger.get(path)).status_code == 401


async def test_a_proxy_gives_operations_to_readers_of_all_tenants_only(town: Town) -> None:
    secret = {"X-Funnelproof-Secret": "a secret of the proxy"}
    with serving(Settings(source_dsn=town.dsn), gate=ProxyGate(["127.0.0.1"], *secret.values())) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address) as client:
            for tenants, status in (("*", 200), (str(town.acme), 404), ("", 404)):
                headers = {**secret, "X-Funnelproof-Tenants": tenants, "X-Funnelproof-May": "operations"}
                assert (await client.get("/operations", headers=headers)).status_code == status, tenants
