"""The API over HTTP, on a real uvicorn and a real Postgres."""

import csv
import io
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.web.conftest import Town
from tests.integration.web.desk import DAY, NOW, name


async def ask(client: httpx.AsyncClient, path: str, **parameters: str | int) -> Any:  # noqa: ANN401 - JSON
    answer = await client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_newest_window_has_the_counts_of_the_live_view(
    client: httpx.AsyncClient, town: Town
) -> None:
    funnel = await ask(client, "funnel", **town.where)
    live = await town.desk.connection.fetch(
        "select * from dyno_crm.stage_conversion_live where pipeline_id = $1 and window_name = 'day'",
        town.sales,
    )
    assert funnel["window"]["state"] == "open"
    assert {
        (pair["from_stage"], pair["to_stage"], pair["counts"]["entered"], pair["counts"]["converted"])
        for pair in funnel["pairs"]
    } == {(row["from_stage"], row["to_stage"], row["entered_count"], row["converted_count"]) for row in live}
    assert [pair["from_stage"] for pair in funnel["pairs"]] == ["Lead", "Qualified", "Demo"]
    assert funnel["as_of"] is not None


async def test_an_open_window_claims_no_change_from_older_deals(
    client: httpx.AsyncClient, town: Town
) -> None:
    funnel = await ask(client, "funnel", **town.where)
    assert funnel["compared_with"]["start"] == "2026-06-09T00:00:00Z"
    assert funnel["pairs"][0]["before"]["entered"] == 401
    assert {pair["change"] for pair in funnel["pairs"]} == {None}


async def test_a_closed_window_has_the_facts_of_its_latest_revision(
    client: httpx.AsyncClient, town: Town
) -> None:
    funnel = await ask(client, "funnel", **town.where, at="2026-06-07T15:00:00+02:00")
    current = await town.desk.connection.fetch(
        "select * from dyno_crm.stage_conversion_current where pipeline_id = $1 and window_start = $2",
        town.sales, NOW.replace(day=7, hour=0, minute=0, second=0),
    )  # fmt: skip
    assert {
        (pair["from_stage"], pair["counts"]["entered"], pair["counts"]["converted"])
        for pair in funnel["pairs"]
    } == {(row["from_stage"], row["entered_count"], row["converted_count"]) for row in current}
    window = funnel["window"]
    assert (window["revision"], window["causes"], window["completeness"]) == (2, ["backdate"], "proven")
    assert window["closed_after"] == 2.0
    change = funnel["pairs"][0]["change"]
    assert change["low"] < change["points"] < change["high"]
    assert change["points"] == pytest.approx(181 / 404 - 180 / 404)


async def test_every_page_of_the_ledger_is_read_once(client: httpx.AsyncClient, town: Town) -> None:
    starts: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await ask(client, "ledger", **town.where, limit=3, **cursor)
        starts += [item["start"] for item in page["items"]]
        cursor = {"cursor": page["next"]}
    assert page["next"] is None
    assert starts == [f"{NOW - ago * DAY:%Y-%m-%d}T00:00:00Z" for ago in range(1, 11)]


async def test_runs_are_every_revision_with_its_proof(client: httpx.AsyncClient, town: Town) -> None:
    pages = [await ask(client, "runs", **town.where, limit=4)]
    while pages[-1]["next"]:
        pages.append(await ask(client, "runs", **town.where, limit=4, cursor=pages[-1]["next"]))
    runs = [run for page in pages for run in page["items"]]
    assert [(run["start"][:10], run["revision"]) for run in runs][:4] == [
        ("2026-06-09", 1), ("2026-06-08", 1), ("2026-06-07", 2), ("2026-06-07", 1),
    ]  # fmt: skip
    assert len(runs) == 11
    one = await ask(client, f"runs/{runs[2]['run_id']}")
    assert (one["positions"], one["source_lsn"]) == ({"0": 100}, "0/1000")
    assert one["pairs"][0]["counts"]["converted"] == 181


async def test_a_trend_tells_what_a_revision_changed(client: httpx.AsyncClient, town: Town) -> None:
    stages = {"from_stage": str(name(town.sales, 0)), "to_stage": str(name(town.sales, 1))}
    points = (await ask(client, "trend", **town.where, **stages))["items"]
    assert [point["counts"]["entered"] for point in points] == [401, 402, 404, *range(404, 411)]
    assert [point["first"] and point["first"]["entered"] for point in points[:4]] == [None, None, 403, None]


async def test_windows_begin_with_the_open_ones(client: httpx.AsyncClient, town: Town) -> None:
    page = await ask(client, "windows", **town.where, limit=2)
    assert [(item["state"], item["start"][:10]) for item in page["items"]] == [
        ("open", "2026-06-10"), ("closed", "2026-06-09"), ("closed", "2026-06-08"),
    ]  # fmt: skip
    following = await ask(client, "windows", **town.where, cursor=page["next"])
    assert {item["state"] for item in following["items"]} == {"closed"}


async def test_a_window_that_has_ended_and_is_not_closed_is_closing(
    client: httpx.AsyncClient, town: Town
) -> None:
    hour = NOW.replace(minute=0, second=0)
    await town.desk.open_window("hour", hour - timedelta(hours=1), hour)
    page = await ask(client, "windows", **town.where | {"window": "hour"})
    assert [item["state"] for item in page["items"]] == ["open", "closing"]


async def test_csv_has_the_rows_of_json_and_leads_to_the_next_page(
    client: httpx.AsyncClient, town: Town
) -> None:
    parameters: dict[str, Any] = {**town.where, "limit": 4}
    as_json = (await ask(client, "ledger", **parameters))["items"]
    answer = await client.get("/api/v1/ledger", params=parameters | {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["run_id"] for row in rows] == [item["run_id"] for item in as_json]
    following = await client.get(answer.links["next"]["url"])
    assert len(list(csv.DictReader(io.StringIO(following.text)))) == 4


async def test_a_stage_name_is_no_formula_in_a_spreadsheet(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.connection.execute(
        "update funnelproof.pipeline_stage set name = '=1+1' where stage_id = $1", name(town.sales, 0)
    )
    answer = await client.get("/api/v1/funnel", params=town.where | {"format": "csv"})
    assert next(csv.DictReader(io.StringIO(answer.text)))["from_stage"] == "'=1+1"


async def test_an_unchanged_answer_is_not_sent_again(client: httpx.AsyncClient, town: Town) -> None:
    first = await client.get("/api/v1/ledger", params=town.where)
    tag = first.headers["etag"]
    assert not tag.startswith("W/")
    again = await client.get("/api/v1/ledger", params=town.where, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    today = NOW.replace(hour=0, minute=0, second=0)
    await town.desk.close(
        town.acme,
        town.sales,
        "day",
        today - DAY,
        today,
        [(401, 181), (200, 90), (100, 40)],
        revision=2,
        causes=["merge"],
    )
    changed = await client.get("/api/v1/ledger", params=town.where, headers={"If-None-Match": tag})
    assert changed.status_code == 200


MALFORMED = [
    ("funnel?tenant=x&pipeline={sales}", "tenant"),
    ("funnel?pipeline={sales}", "tenant"),
    ("funnel?tenant={acme}&pipeline={sales}&at=yesterday", "at"),
    ("funnel?tenant={acme}&pipeline={sales}&at=2026-06-07T15:00:00", "at"),
    ("funnel?tenant={acme}&pipeline={sales}&at=1780000000", "at"),
    ("findings?start=0.5", "start"),
    ("funnel?tenant={acme}&pipeline={sales}&window=year", "window"),
    ("ledger?tenant={acme}&pipeline={sales}&cursor=abc", "cursor"),
    ("ledger?tenant={acme}&pipeline={sales}&cursor=%C3%A9", "cursor"),
    ("runs?tenant={acme}&pipeline={sales}&cursor=WyIyMDI2LTA2LTEwVDA5OjAwOjAwWiJd", "cursor"),
    ("ledger?tenant={acme}&pipeline={sales}&limit=0", "limit"),
    ("pipelines?q=%00", "q"),
    ("runs/none", "run_id"),
]
"""Questions, each with the parameter that is malformed."""


async def test_what_is_malformed_is_named(client: httpx.AsyncClient, town: Town) -> None:
    for path, field in MALFORMED:
        answer = await client.get("/api/v1/" + path.format(acme=town.acme, sales=town.sales))
        told = answer.status_code, answer.headers["content-type"]
        assert told == (400, "application/problem+json"), path
        assert field in [error["field"] for error in answer.json()["errors"]], path


async def test_what_is_unknown_is_not_found(client: httpx.AsyncClient, town: Town) -> None:
    for path in (
        f"funnel?tenant={town.acme}&pipeline={uuid4()}",
        f"funnel?tenant={uuid4()}&pipeline={town.sales}",
        f"funnel?tenant={town.acme}&pipeline={town.sales}&at=1999-01-01T00:00:00Z",
        f"funnel?tenant={town.acme}&pipeline={town.sales}&at=0001-01-01T00:00:00%2B14:00",
        f"runs/{uuid4()}",
        "nothing",
    ):
        answer = await client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


async def test_pipelines_are_searched_by_a_part_of_an_identifier(
    client: httpx.AsyncClient, town: Town
) -> None:
    found = await ask(client, "pipelines", q=str(town.sales)[:9].upper())
    assert [item["pipeline_id"] for item in found["items"]] == [str(town.sales)]
    first = await ask(client, "pipelines", limit=1)
    second = await ask(client, "pipelines", limit=1, cursor=first["next"])
    assert {first["items"][0]["pipeline_id"], second["items"][0]["pipeline_id"]} == {
        str(town.sales),
        str(town.theirs),
    }
    assert second["next"] is None


async def test_sealed_windows_are_gone(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.connection.execute("insert into funnelproof.sealed values ('day', $1)", NOW - 5 * DAY)
    ledger = await ask(client, "ledger", **town.where)
    current = await town.desk.connection.fetchval(
        "select count(distinct window_start) from dyno_crm.stage_conversion_current where pipeline_id = $1",
        town.sales,
    )
    assert len(ledger["items"]) == current == 5


async def test_health_tells_the_age_and_the_cause(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.reconciled()
    assert (await ask(client, "health"))["state"] == "live"
    await town.desk.flush(age=41)
    late = await ask(client, "health")
    assert (late["state"], late["message"]) == ("late", "Late: 41 s behind (partition 0, worker one)")
    await town.desk.flush(age=400)
    assert (await ask(client, "health"))["state"] == "not_live"
    await town.desk.flush(age=3, proof_age=5)
    late = await ask(client, "health")
    assert (late["state"], late["message"]) == ("late", "Late: 3 s behind (partition 0, worker one)")
    await town.desk.flush(proof_age=30)
    assert (
        "nothing is proven for 30 s (Connect or Kafka may stand still)"
        in (await ask(client, "health"))["message"]
    )
    await town.desk.connection.execute("select funnelproof.note_doubt('slot', 'the slot was moved')")
    health = await ask(client, "health")
    assert health["doubts"] == ["the slot was moved"]
    assert health["last_reconciliation"]["outcome"] == "equal"


async def test_openapi_describes_every_path_without_a_foreign_error(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {path.split("/")[3] for path in document["paths"] if path.startswith("/api/v1/")} >= {
        "pipelines", "windows", "funnel", "trend", "runs", "ledger", "reconciliations", "health",
    }  # fmt: skip
    assert "HTTPValidationError" not in str(document)
    assert (
        "application/problem+json"
        in document["paths"]["/api/v1/funnel"]["get"]["responses"]["400"]["content"]
    )


async def test_a_small_answer_waits_for_no_acknowledgement(client: httpx.AsyncClient) -> None:
    """The kernel acknowledges after 40 ms, but at the beginning of a connection at once."""
    spent: list[float] = []
    while len(spent) < 20 or (spent[-1] > 0.03 and len(spent) < 500):
        begun = time.perf_counter()
        await client.get("/api/v1/health")
        spent.append(time.perf_counter() - begun)
    assert spent[-1] < 0.03, sorted(spent)
