from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from streams.errors import ReportError
from streams.report.request import Request, StagePair, make_request

TENANT, PIPELINE, LEAD, WON = (UUID(int=n) for n in range(1, 5))
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def request(**changed: Any) -> Request:  # noqa: ANN401 - wrong types are the point
    arguments = {"tenant_id": TENANT, "pipeline_id": PIPELINE, "period_start": START, "period_end": END}
    return make_request(**(arguments | changed))


def pair(source: object = LEAD, target: object = WON, **more: object) -> dict[str, object]:
    return {"from_stage_id": source, "to_stage_id": target, **more}


def test_identifiers_may_be_uuids_or_their_text() -> None:
    assert request(tenant_id=str(TENANT), pipeline_id=str(PIPELINE)) == request()


def test_instants_are_kept_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert request(period_start=START.astimezone(berlin)).period_start.utcoffset() == timedelta(0)


@pytest.mark.parametrize("pairs", [None, [], ()])
def test_no_pairs_leave_it_to_the_pipeline(pairs: object) -> None:
    asked = request(stage_pairs=pairs)
    assert asked.stage_pairs == ()
    assert asked.plain_pairs is None
    assert asked.pairs_json is None


def test_a_pair_given_twice_counts_once() -> None:
    asked = request(stage_pairs=[pair(), pair(str(LEAD), str(WON)), pair(WON, LEAD)])
    assert asked.stage_pairs == (StagePair(LEAD, WON), StagePair(WON, LEAD))


def test_a_pair_may_repeat_the_pipeline_of_the_report() -> None:
    assert request(stage_pairs=[pair(pipeline_id=str(PIPELINE))]).stage_pairs == (StagePair(LEAD, WON),)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"tenant_id": "nobody"}, "tenant_id is a UUID, not 'nobody'"),
        ({"pipeline_id": 7}, "pipeline_id is a UUID, not 7"),
        ({"period_start": datetime(2026, 3, 1)}, "period_start is a datetime with a timezone"),  # noqa: DTZ001 - naive
        ({"period_end": date(2026, 3, 2)}, "period_end is a datetime with a timezone"),
        ({"period_end": "2026-03-02"}, "period_end is a datetime with a timezone"),
        ({"period_start": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "years 1 to 9999"),
        ({"period_end": START}, "the period is empty"),
        ({"period_end": START - timedelta(microseconds=1)}, "the period is empty"),
        ({"stage_pairs": pair()}, "stage_pairs is a list of"),
        ({"stage_pairs": "[]"}, "stage_pairs is a list of"),
        ({"stage_pairs": [[LEAD, WON]]}, "is no such object"),
        ({"stage_pairs": [{"from_stage_id": LEAD}]}, "is no such object"),
        ({"stage_pairs": [pair(to_stage=WON)]}, "is no such object"),
        ({"stage_pairs": [pair("lead")]}, "from_stage_id is a UUID, not 'lead'"),
        ({"stage_pairs": [pair(LEAD, None)]}, "to_stage_id is a UUID, not None"),
        ({"stage_pairs": [pair(pipeline_id=TENANT)]}, "is a pair of another pipeline"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ReportError, match=told):
        request(**changed)


def test_every_stage_that_the_pipeline_lacks_is_named() -> None:
    asked = request(stage_pairs=[pair(LEAD, TENANT), pair(PIPELINE, LEAD)])
    with pytest.raises(ReportError, match=f"does not have: {TENANT}, {PIPELINE}$"):
        asked.check_stages([LEAD, WON])
    asked.check_stages([LEAD, TENANT, PIPELINE])


def test_a_long_wrong_value_is_cut_short_in_the_message() -> None:
    with pytest.raises(ReportError) as raised:
        request(stage_pairs="x" * 10_000)
    assert len(str(raised.value)) < 300
