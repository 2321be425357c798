"""One log of several programs."""

import asyncio
import io
import json
import random

from hypothesis import given
from hypothesis import strategies as st

from streams.supervising import lines
from streams.supervising.lines import CommonLog, read_lines


async def lines_of(*chunks: bytes) -> list[str]:
    reader = asyncio.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    return [line async for line in read_lines(reader)]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=20))
def test_lines_are_read_as_they_were_written_however_the_bytes_arrive(written: list[str]) -> None:
    data = "".join(f"{line}\n" for line in written).encode()
    cut = random.Random(len(data)).randint(0, len(data))
    assert asyncio.run(lines_of(data[:cut], data[cut:])) == written


async def test_a_last_line_without_an_end_and_bytes_that_are_no_text_are_lines() -> None:
    assert await lines_of(b"one\r\ntwo \xff") == ["one", "two \N{REPLACEMENT CHARACTER}"]


async def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    found = await lines_of(*[b"x" * 65_536] * 40)
    assert sum(map(len, found)) == 40 * 65_536
    assert max(map(len, found)) <= lines.LONGEST + 65_536


def test_people_see_the_name_of_the_program_before_each_line() -> None:
    stream = io.StringIO()
    log = CommonLog(stream, "console", ["worker-1", "page"])
    log.write("worker-1", "started")
    log.write("page", "the page is at http://127.0.0.1:8800")
    assert stream.getvalue() == "worker-1 | started\npage     | the page is at http://127.0.0.1:8800\n"


def test_each_line_of_a_json_log_is_an_object_with_the_name_of_the_program() -> None:
    stream = io.StringIO()
    log = CommonLog(stream, "json", ["alerts"])
    for line in (
        '{"event": "web", "url": "http://x", "n": 1}',
        "Traceback",
        "",
        '["no object"]',
        "[" * 100_000,
    ):
        log.write("alerts", line)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"program": "alerts", "event": "web", "url": "http://x", "n": 1},
        {"program": "alerts", "event": "Traceback"},
        {"program": "alerts", "event": '["no object"]'},
        {"program": "alerts", "event": "[" * 100_000},
    ]


def test_a_log_that_is_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    CommonLog(Gone(), "console", []).write("alerts", "a line")
