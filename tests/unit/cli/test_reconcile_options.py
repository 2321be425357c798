"""`funnelproof reconcile --every` refuses what it cannot do before any server is asked."""

import pytest
import typer

from streams.cli.reconcile import reconcile


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"every": "15m", "window": "hour"}, "leave the other options out"),
        ({"every": "15m", "as_json": True}, "leave the other options out"),
        ({"every": "15"}, "is not a length of time"),
        ({"every": "3s"}, "at least 5s"),
    ],
)
def test_a_job_takes_a_length_of_time_and_no_other_option(
    options: dict[str, str | bool], complaint: str
) -> None:
    with pytest.raises(typer.BadParameter, match=complaint):
        reconcile(**options)  # type: ignore[arg-type]  # each has its type
