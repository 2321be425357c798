"""The compiled reading of events, held to the one in Python: what is taken there is taken as `ChangeDecoder` does."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cdc.envelope import ChangeDecoder, LogRecord, MalformedEventError, _is_rekeyed
from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.packed import NO_CHANGE, packed, unpacked
from tests.depth import examples
from tests.fakes.envelopes import ROW, FakeRecord, compact, envelope

try:
    from streams.cdc.scanner import Scanner
except ImportError:
    pytest.skip("the scanner is not compiled here", allow_module_level=True)

SIZE = len(NO_CHANGE)


class OtherBytes(bytes):
    """Bytes of a kind of their own."""


@dataclass
class Twins:
    """The scanner without Python to ask, and Python without the scanner; both in the same vocabulary."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    left: list[LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.python = decoder_in_python(self.vocabulary)
        self.scanner = Scanner(self.python._scope_of, self.python._stage_of, _is_rekeyed, self._leave)

    def _leave(self, record: LogRecord) -> bytes:
        self.left.append(record)
        return NO_CHANGE

    def compare(self, values: Iterable[bytes]) -> int:
        """Hold what the scanner takes of these to what Python says of each; return how many it takes."""
        self.left.clear()
        records = [FakeRecord(value) for value in values]
        snapshots: set[int] = set()
        changes = self.scanner.pack(records, snapshots)
        taken = 0
        for record, change in zip(records, each(changes), strict=True):
            if change != NO_CHANGE:
                taken += 1
                assert change == self._expected(record), record.value
        assert len(self.left) == len(records) - taken
        assert snapshots == self.python.drain_snapshots()
        return taken

    def _expected(self, record: FakeRecord) -> bytes:
        try:
            change = self.python.decode(record)
        except MalformedEventError as error:
            raise AssertionError(f"{record.value!r} was taken, but: {error}") from error
        assert change is not None
        return packed(change)


def decoder_in_python(vocabulary: Vocabulary) -> ChangeDecoder:
    decoder = ChangeDecoder(vocabulary)
    decoder._scanner = None
    return decoder


def each(changes: bytes) -> list[bytes]:
    return [changes[place : place + SIZE] for place in range(0, len(changes), SIZE)]


TWINS = Twins()
INSERT = envelope("c", after=ROW)
DELETE = envelope("d", before=ROW)


def is_taken(value: bytes) -> bool:
    return TWINS.compare([value]) == 1


# What Debezium sends is taken


class Captured(NamedTuple):
    """An event as a connector of Debezium 3.7 sent it."""

    case: str
    headers: list[str]
    value: str


CAPTURED = [
    Captured(**json.loads(line))
    for line in (Path(__file__).parent / "captured.jsonl").read_text("utf-8").splitlines()
]
REFUSED = {
    "a column that was not read",  # an update under another replica identity
    "an insert, unwrapped",
    "a delete without the old row",
    "a truncate",
    "timestamps of other columns",
}


def wrapped(event: bytes) -> bytes:
    schema = {"type": "struct", "fields": [{"type": "string", "optional": False, "field": "op"}]}
    return b'{"schema":%s,"payload":%s}' % (compact(schema), event)


@pytest.mark.parametrize(
    "event",
    [
        INSERT,
        envelope("u", before=ROW, after=ROW),
        envelope("u", after={**ROW, "entered_at": "2026-01-05T10:00:00Z"}),
        DELETE,
        envelope("r", after=ROW),
        envelope("r", after=ROW, lsn=None),
        envelope("c", after=ROW, lsn=0),
        envelope("c", after={**ROW, "id": str(ROW["id"]).upper()}),
        compact({**json.loads(INSERT), "é": "é"}),
        envelope("c", after={**ROW, "note": 'a "quoted" \\ word\nand\tmore', "price": -1.5e-7}),
        envelope("c", after={**ROW, "note": "Grüße, 你好", "tags": [1, {"a": {}}, []], "open": True}),
    ],
)
def test_what_debezium_sends_is_not_left_to_python(event: bytes) -> None:
    assert is_taken(event)
    assert is_taken(wrapped(event))


def test_identifiers_are_looked_up_once() -> None:
    asked: list[bytes] = []

    def code(*identifiers: bytes) -> int:
        asked.append(b"".join(identifiers))
        return len(asked)

    scanner = Scanner(code, code, _is_rekeyed, TWINS._leave)
    changes = scanner.pack([FakeRecord(INSERT), FakeRecord(INSERT)], set())
    assert scanner.pack([FakeRecord(INSERT)], set()) + each(changes)[1] == changes
    assert [len(identifiers) for identifiers in asked] == [32, 16]


@pytest.mark.parametrize("captured", CAPTURED, ids=[one.case for one in CAPTURED])
def test_an_event_that_debezium_sent_is_read_as_in_python(captured: Captured) -> None:
    assert is_taken(captured.value.encode()) is (captured.case not in REFUSED)


# What is written otherwise is read the same, left to Python, or both


TELLING = b"\x00\x09\x0a\x1f !\"#'+,-./0123456789:;<=@AFGTZ[\\]^_`afgnrtuz{|}~\x7f\x80\xc3\xff"


@pytest.mark.parametrize("event", [INSERT, wrapped(DELETE)], ids=["insert", "delete with the schema"])
def test_no_byte_of_an_event_can_be_changed_unseen(event: bytes) -> None:
    places = range(len(event))
    replaced = (event[:at] + bytes([byte]) + event[at + 1 :] for at in places for byte in TELLING)
    inserted = (event[:at] + bytes([byte]) + event[at:] for at in places for byte in b'"0,- \\{')
    TWINS.compare(replaced)
    TWINS.compare(inserted)
    TWINS.compare(event[:at] + event[at + 1 :] for at in places)
    TWINS.compare(event[:at] + event[at + 1 : at + 2] + event[at : at + 1] + event[at + 2 :] for at in places)


@pytest.mark.parametrize("event", [INSERT, DELETE, wrapped(INSERT)], ids=["c", "d", "schema"])
def test_an_event_cut_short_is_never_taken(event: bytes) -> None:
    assert TWINS.compare(event[:end] for end in range(len(event))) == 0
    assert TWINS.compare(event[begin:] for begin in range(1, len(event))) == 0


@pytest.mark.parametrize("more", [b" ", b"\n", b"\x00", b"}", b",", b"{}", INSERT])
def test_an_event_with_something_behind_it_is_left_to_python(more: bytes) -> None:
    assert TWINS.compare([INSERT + more, wrapped(INSERT) + more, wrapped(INSERT + more)]) == 0


EDITED = [one.value.encode() for one in CAPTURED if one.case not in REFUSED]


@given(st.randoms(use_true_random=True))
@settings(max_examples=examples(40), deadline=None)
def test_events_edited_at_random_are_read_as_in_python(random: Random) -> None:
    TWINS.compare(edited(random.choice(EDITED), random) for _ in range(300))


def edited(event: bytes, random: Random) -> bytes:
    """Return the event after one to three edits: bytes put in, taken out, replaced, swapped, or a part twice."""
    text = bytearray(event)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(text))
        until = at + random.choice((1, 1, 1, 2, 5, 40))
        other = random.randrange(len(text))
        match random.randrange(6):
            case 0:
                text[at:at] = bytes([random.choice(TELLING)])
            case 1:
                del text[at:until]
            case 2:
                text[at] = random.choice(TELLING)
            case 3:
                text[at] = random.randrange(256)
            case 4:
                text[at], text[other] = text[other], text[at]
            case _:
                text[other:other] = text[at:until]
    return bytes(text)


def entered(instant: str) -> bytes:
    return INSERT.replace(b'"2026-01-05T10:00:00.123456Z"', instant.encode())


YEARS = (0, 1, 4, 100, 400, 1600, 1899, 1900, 1970, 1972, 2000, 2023, 2024, 2100, 9996, 9999)


def test_every_day_of_the_calendar_is_that_of_python_and_no_other_is_taken() -> None:
    texts = [
        f'"{year:04}-{month:02}-{day:02}T23:59:59.999999Z"'
        for year in YEARS
        for month in range(14)
        for day in range(33)
    ]
    days = sum(366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365 for year in YEARS[1:])
    assert TWINS.compare(map(entered, texts)) == days


def test_every_time_of_day_is_that_of_python_and_no_other_is_taken() -> None:
    clocks = [f"{number:02}:00:00" for number in range(26)]
    clocks += [f"00:{number:02}:00" for number in range(62)]
    clocks += [f"00:00:{number:02}" for number in range(62)]
    assert TWINS.compare(entered(f'"2026-01-05T{clock}Z"') for clock in clocks) == 24 + 60 + 60


@pytest.mark.parametrize("offset", ["Z", "z", "", "+00:00", "-00:00", "+01:00", "-23:59", "+0100", "+24:00"])
def test_fractions_of_a_second_are_exact_to_the_digit(offset: str) -> None:
    fractions = ["", ".", *("." + "987654321"[:digits] for digits in range(1, 10)), ",5", ".-5", ".5e1"]
    taken = TWINS.compare(entered(f'"2026-01-05T10:00:00{fraction}{offset}"') for fraction in fractions)
    assert taken == (7 if offset == "Z" else 0)


def each_of(texts: str) -> list[str]:
    """Texts without spaces, written one after another."""
    return texts.split()


INTEGERS = ["", " 1", *each_of('0 1 00 01 -0 -1 1.0 1.5 1e3 1E0 +1 null true "1" {} []')]
INTEGERS += [str(10**digits + by) for digits in (15, 16, 17, 18, 19, 20, 4000) for by in (-1, 0, 1)]
INTEGERS += [str(number + by) for number in (4 * 10**15, 2**63 // 1000, 2**63, 2**64) for by in (-1, 0, 1)]


@pytest.mark.parametrize("op", "cudr")
def test_numbers_are_whole_or_left_to_python(op: str) -> None:
    event = envelope(op, before=ROW, after=None if op == "d" else ROW)
    TWINS.compare(event.replace(b'"lsn":24790896', b'"lsn":' + number.encode()) for number in INTEGERS)
    TWINS.compare(
        event.replace(b'"ts_ms":1795436911519', b'"ts_ms":' + number.encode()) for number in INTEGERS
    )


def nested(levels: int, begin: str = "[", end: str = "]") -> str:
    return begin * levels + "0" + end * levels


PLAIN_VALUES = each_of(
    r"""
    null true false 0 -0 -0.0 1.5 1E5 1e-7 1e+999 -1e999 1e999999999999999999999 "" [] {} [1,{"a":[{}]},"b"]
    {"":{"b":1}} "\"\\\/\b\f\n\r\t" "é" {"\n":1}
    """
)
VALUES = PLAIN_VALUES + each_of(
    r"""
    "\u00e9" "\ud800" nul nullx True tru falsy NaN - +1 01 1. .5 1e 1e+ --1 1..2 0x1 " "a "\ "\x" "\u12" 'a' [ [1
    [1, [1,] [,1] [1} ] { {"a {"a" {"a"} {"a": {"a":} {"a":1 {"a":1, {"a":1,} {,} {1:2} {a:1} {"a":1] {"a",1}
    """
)
VALUES += ["", " 1", "1 ", "1 2", "[1, 2]", '{"a": 1}']
VALUES += [f'"{character}"' for character in "\x00\t\n\x1f\x20\x7f\udcff"]
VALUES += ["9" * 400, "0." + "1" * 400, "[" * 100_000]
VALUES += [nested(levels) for levels in (30, 31, 32, 33, 200, 100_000)]
VALUES += [nested(levels, '{"a":', "}") for levels in (30, 31, 32, 33, 200, 100_000)]


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("event", [INSERT, DELETE], ids=["c", "d"])
def test_what_is_not_needed_is_passed_over_as_in_python(event: bytes) -> None:
    texts = [b'"x":' + as_bytes(value) for value in VALUES] + [as_bytes(value) + b":1" for value in VALUES]
    for place in (b'"lsn"', b'"op"', b'"ts_ms"', b'"id"', b'"deal_id"', b'"before"'):
        TWINS.compare(event.replace(place, text + b"," + place, 1) for text in texts)
    TWINS.compare(b'{"schema":%s,"payload":%s}' % (as_bytes(value), event) for value in VALUES)
    TWINS.compare(b'{"payload":%s}' % as_bytes(value) for value in VALUES)


COLUMNS = ["id", "deal_id", "tenant_id", "pipeline_id", "pipeline_stage_id"]
ID = str(ROW["id"])
HEX = ID.replace("-", "")
IDENTIFIERS = [ID, ID.upper(), ID.title(), HEX, f"{HEX}----", f"----{HEX}", f"{{{ID}}}", f"urn:uuid:{ID}"]
IDENTIFIERS += [ID[:-1], f"{ID}0", ID.replace("-", "_"), "", " " * 36, "-" * 36, "g" * 36, f"é{ID[1:]}"]
IDENTIFIERS += [ID[:-1] + last for last in ("_", "\\u0031", "G", "é", '"')]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("event", [INSERT, DELETE], ids=["c", "d"])
def test_identifiers_are_those_of_python(event: bytes, column: str) -> None:
    def says(value: str) -> bytes:
        return event.replace(f'"{column}":"{ROW[column]}"'.encode(), f'"{column}":{value}'.encode())

    TWINS.compare(says(f'"{text}"') for text in IDENTIFIERS)
    TWINS.compare(says(text) for text in ("null", "0", "[]", "{}", ID))


IMAGE = compact(ROW)
UNSEEN = compact({**ROW, "deal_id": ID})
SOURCE = compact(json.loads(INSERT)["source"])


@pytest.mark.parametrize(
    "event",
    [
        *(INSERT[:-1] + b"," + more + b"}" for more in (b'"after":null', b'"before":null', b'"op":"u"')),
        *(
            DELETE[:-1] + b"," + more + b"}"
            for more in (b'"before":null', b'"before":' + UNSEEN, b'"op":"d"')
        ),
        INSERT[:-1] + b',"source":{"ts_ms":1,"lsn":2}}',
        INSERT[:-1] + b',"after":' + UNSEEN + b"}",
        *(
            INSERT.replace(SOURCE, SOURCE[:-1] + more)
            for more in (b',"lsn":1}', b',"lsn":null}', b',"ts_ms":1}')
        ),
        *(
            INSERT.replace(IMAGE, IMAGE[:-1] + b',"%s":"%s"}' % (b"id", other))
            for other in (b"", ID.encode())
        ),
        INSERT.replace(IMAGE, IMAGE[:-1] + b',"entered_at":"2026-01-05T10:00:00Z"}'),
        DELETE.replace(IMAGE, IMAGE[:-1] + b',"deal_id":"%s"}' % ID.encode()),
        DELETE.replace(b'"after":null', b'"after":' + UNSEEN),
        INSERT.replace(b'"before":null', b'"payload":{}'),
        INSERT.replace(b'"before":null', b'"payload":' + DELETE),
        wrapped(DELETE)[:-1] + b',"op":"c"}',
        wrapped(DELETE)[:-1] + INSERT.replace(b"{", b",", 1),
        INSERT[:-1] + b"," + wrapped(DELETE)[1:],
        wrapped(INSERT)[:-1] + b',"payload":' + DELETE + b"}",
        wrapped(wrapped(INSERT)),
        b'{"schema":null,"payload":null}',
    ],
)
def test_what_could_mean_something_else_is_left_to_python(event: bytes) -> None:
    assert json.loads(event)
    assert not is_taken(event)


def test_only_bytes_are_read_in_c() -> None:
    kinds: tuple[Callable[..., Any], ...] = (bytearray, memoryview, OtherBytes, str, list)
    records = [FakeRecord(kind(INSERT)) for kind in kinds]
    TWINS.left.clear()
    assert TWINS.scanner.pack(records, set()) == NO_CHANGE * len(records)
    assert TWINS.left == records


NAMES = [*COLUMNS, "entered_at", "before", "after", "source", "op", "payload", "schema", "lsn", "ts_ms"]
NAMES += ["", "i", "ids", "ID", "note", "i\\u0064", "o\\u0070", "\udcff"]
simple_values = st.sampled_from(PLAIN_VALUES)
identifiers = st.uuids().map(lambda one: f'"{one}"')


@st.composite
def objects(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[str]]) -> str:
    """An object's text: its fields in any order with others among them, seldom one of them missing."""
    texts = [f'"{name}":{draw(value)}' for name, value in fields.items()]
    if draw(st.integers(0, 9)) == 9:
        texts.pop(draw(st.integers(0, len(texts) - 1)))
    others = st.lists(st.builds('"{}":{}'.format, st.sampled_from(NAMES), simple_values), max_size=2)
    return "{" + ",".join(draw(st.permutations(texts + draw(others)))) + "}"


rows = objects(
    dict.fromkeys(COLUMNS, identifiers)
    | {"entered_at": st.datetimes().map(lambda at: f'"{at.isoformat()}Z"')}
)
events = objects(
    {
        "before": st.just("null") | rows,
        "after": st.just("null") | rows,
        "source": objects(
            {
                "ts_ms": st.integers(0, 10**14).map(str),
                "lsn": st.just("null") | st.integers(0, 2**62).map(str),
            }
        ),
        "op": st.sampled_from(["c", "u", "d", "r"]).map('"{}"'.format),
    }
)


@given(st.lists(events | st.builds('{{"schema":{},"payload":{}}}'.format, simple_values, events), max_size=5))
@settings(max_examples=examples(30), deadline=None)
def test_fields_may_come_in_any_order_with_others_among_them(texts: list[str]) -> None:
    TWINS.compare(map(as_bytes, texts))


# Many records


def event_of(op: str, number: int, lsn: int | None) -> bytes:
    """An event of one of a few rows, tenants, pipelines and stages."""
    row = {name: f"{number >> 2 * place & 3}{value[1:]}" for place, (name, value) in enumerate(IDS.items())}
    image = {**ROW, **row}
    return envelope(op, before=image, after=None if op == "d" else image, lsn=lsn)


IDS = {name: value for name, value in ROW.items() if value is not None and name.endswith("id")}
records = st.just(FakeRecord(None)) | st.builds(
    lambda op, number, lsn, form, headers: FakeRecord(form(event_of(op, number, lsn)), headers=headers),
    st.sampled_from("cudr"),
    st.integers(0, 1023),
    st.integers(0, 5),
    st.sampled_from([bytes, bytes, bytes, wrapped, lambda event: event.replace(b",", b", "), OtherBytes]),
    st.sampled_from(
        [[], [("__debezium.newkey", b"")], [("__debezium.context.taskId", b""), ("__debezium.oldkey", b"")]]
    ),
)
MALFORMED = [b"", b"{}", INSERT[:-1], INSERT.replace(b"T10:", b"T25:"), INSERT.replace(b"-4", b"+4")]
MALFORMED += [
    envelope("r", after={**ROW, "pipeline_stage_id": "g" * 36}, lsn=99),
    envelope("c", after=ROW, lsn=None),
]


class Known(NamedTuple):
    """What a decoder knows after it has decoded."""

    scopes: tuple[Scope, ...]
    stages: tuple[str, ...]
    snapshots: set[int]


@dataclass
class Worker:
    """A decoder and its vocabulary."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)

    def __post_init__(self) -> None:
        self.decoder = ChangeDecoder(self.vocabulary)

    def in_python(self) -> "Worker":
        self.decoder._scanner = None
        return self

    def decode(self, record: FakeRecord) -> Change | str | None:
        try:
            return self.decoder.decode(record)
        except MalformedEventError as error:
            return str(error)

    def known(self) -> Known:
        vocabulary = self.vocabulary
        return Known(vocabulary.scopes.values(), vocabulary.stages.values(), self.decoder.drain_snapshots())


@given(st.lists(records, max_size=12), st.sampled_from([list, tuple]))
@settings(max_examples=examples(50), deadline=None)
def test_many_records_are_read_as_one_by_one_in_python(
    records: list[FakeRecord], kind: Callable[[list[FakeRecord]], Sequence[FakeRecord]]
) -> None:
    compiled, python, together = Worker(), Worker().in_python(), Worker().in_python()
    one_by_one = [change for change in map(python.decoder.decode, records) if change is not None]
    known = python.known()
    changes = compiled.decoder.decode_all(kind(records))
    assert isinstance(changes, bytes)
    assert len(changes) == SIZE * len(records)
    assert list(unpacked(changes)) == one_by_one
    assert compiled.known() == known
    at_once = together.decoder.decode_all(records)
    if at_once is not None:  # Python leaves events with a schema for later
        assert list(at_once) == one_by_one
        assert together.known() == known


@given(st.lists(records, max_size=6), st.sampled_from(MALFORMED), st.lists(records, max_size=6))
@settings(max_examples=examples(50), deadline=None)
def test_a_malformed_record_keeps_nothing_from_being_read_one_by_one(
    before: list[FakeRecord], malformed: bytes, after: list[FakeRecord]
) -> None:
    compiled, python = Worker(), Worker().in_python()
    records = [*before, FakeRecord(malformed), *after]
    assert compiled.decoder.decode_all(records) is None
    assert python.decoder.decode_all(records) is None
    read = [compiled.decode(record) for record in records]
    assert read == [python.decode(record) for record in records]
    assert [type(one) is str for one in read].count(True) == 1
    assert compiled.known() == python.known()


def test_a_number_that_cannot_be_packed_is_read_alone() -> None:
    late = FakeRecord(INSERT.replace(b'"ts_ms":1795436911519', b'"ts_ms":1795436911519000000'))
    compiled = Worker()
    assert compiled.decoder.decode_all([late]) is None
    assert compiled.decode(late) == Worker().in_python().decode(late)


# What else could go wrong in C


def scanner_of(fallback: Callable[[LogRecord], bytes]) -> Scanner:
    decoder = ChangeDecoder(Vocabulary())
    return Scanner(decoder._scope_of, decoder._stage_of, _is_rekeyed, fallback)


def test_no_records_are_no_changes() -> None:
    assert TWINS.scanner.pack([], set()) == b""


def test_records_that_go_away_meanwhile_are_read_all_the_same() -> None:
    records = [FakeRecord(None), FakeRecord(INSERT, headers=[("__debezium.oldkey", b"")]), FakeRecord(None)]

    def fallback(record: LogRecord) -> bytes:
        assert record.value is None
        records.clear()
        return NO_CHANGE

    changes = [NO_CHANGE, *each(scanner_of(fallback).pack(records[1:2], set())), NO_CHANGE]
    assert each(scanner_of(fallback).pack(records, set())) == changes
    assert records == []


@pytest.mark.parametrize(
    "wrong", [None, b"", NO_CHANGE[:-1], NO_CHANGE + b"\0", bytearray(NO_CHANGE), "x" * SIZE]
)
def test_only_a_packed_change_is_put_among_packed_changes(wrong: bytes) -> None:
    with pytest.raises((TypeError, ValueError)):
        scanner_of(lambda _: wrong).pack([FakeRecord(None)], set())


def test_what_is_raised_while_a_record_is_looked_at_is_not_swallowed() -> None:
    class PassingError(Exception):
        """Something else went wrong."""

    def fail(*_: object) -> Never:
        raise PassingError

    def fallback(_: LogRecord) -> bytes:
        return NO_CHANGE

    for scanner in (Scanner(fail, int, bool, fallback), Scanner(lambda *_: 0, fail, bool, fallback)):
        with pytest.raises(PassingError):
            scanner.pack([FakeRecord(INSERT)], set())
    scanner = Scanner(lambda *_: 0, lambda _: 0, fail, fail)
    for record in (FakeRecord(None), FakeRecord(INSERT, headers=[("name", b"")])):
        with pytest.raises(PassingError):
            scanner.pack([record], set())


def test_threads_may_read_with_one_scanner_at_once() -> None:
    worker = Worker()
    read = [FakeRecord(event_of("c", number, 1)) for number in range(1024)]
    expected = worker.decoder.decode_all(read)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(worker.decoder.decode_all, [read] * 40)) == {expected}
