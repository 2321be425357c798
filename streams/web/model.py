"""The answers of the API, and what the page draws. Instants have an offset; rates lie between 0 and 1."""

from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Answer(BaseModel):
    """A value of the API, fixed once made."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[T]):
    """A page of a list. `next` is the cursor of the page that follows; null at the end of the list."""

    items: tuple[T, ...]
    next: str | None = None


class Pipeline(Answer):
    """A pipeline with the tenant, the CRM's names for both, and the number of stages."""

    tenant_id: UUID
    tenant: str | None
    pipeline_id: UUID
    pipeline: str | None
    stages: int


class Window(Answer):
    """A window of a pipeline. What a closed window has is null in an open one, as far as no run has it yet.

    `state`: `open`; `closing`, if the window has ended and waits for its proof; `closed`. `closed_after`: seconds from
    the window's end to the first close. `causes` are those of all revisions.
    """

    window: str
    start: datetime
    end: datetime
    state: Literal["open", "closing", "closed"]
    run_id: UUID | None = None
    revision: int | None = None
    completeness: Literal["proven", "estimated"] | None = None
    reasons: tuple[str, ...] = ()
    source_lsn: str | None = None
    closed_at: datetime | None = None
    closed_after: float | None = None
    published_at: datetime | None = None
    causes: tuple[str, ...] = ()


class Counts(Answer):
    """The deals that entered a stage in a window, and those of them that converted to the other stage of the pair.

    `low` and `high` are a 95 % interval of the rate; rate and interval are null without an entry.
    """

    entered: int
    converted: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class Change(Answer):
    """The difference of the rate from the compared window's rate, with a 95 % interval: -0.05 is 5 points less."""

    points: float
    low: float
    high: float


class Times(Answer):
    """The time from the first entry into a stage to the conversion, in seconds: median, and quartiles around it.

    `is_exact`: computed from the CRM's rows. Otherwise from buckets, twelve in a window: right to about one bucket.
    """

    low: float
    median: float
    high: float
    is_exact: bool


class Expected(Answer):
    """The expectation that the detector of alerts has of the deals of an open window, at the age that is proven.

    `state`: `known`; `young`, before the first twelfth of the window is proven; `held`, while results are estimates;
    `learning`, while the rule's baseline has too few windows: `windows_left` are still needed. `entered`, `converted`
    and `rate` are what was seen `until` there, so may be less than the counts of now. `expected` conversions are
    expected of the same deals at the same age; 95 of 100 windows without a drop lie between `low` and `high`.
    """

    rule: str
    state: Literal["known", "young", "held", "learning"]
    windows: int
    windows_left: int
    until: datetime
    entered: int | None = None
    converted: int | None = None
    expected: float | None = None
    low: int | None = None
    high: int | None = None
    rate: float | None = None
    expected_rate: float | None = None
    low_rate: float | None = None
    high_rate: float | None = None


class Pair(Answer):
    """The counts of a pair of stages. A stage that is gone has no name.

    `of_first` is `converted` divided by the entries of the first pair's stage. `change` is null while the window is
    open: its deals are younger than those of a closed window, so their rates differ without a change.
    """

    from_stage_id: UUID
    from_stage: str | None
    to_stage_id: UUID
    to_stage: str | None
    counts: Counts
    of_first: float | None = None
    before: Counts | None = None
    change: Change | None = None
    time_to_convert: Times | None = None
    expected: Expected | None = None


class Funnel(Answer):
    """The counts of a pipeline in a window, and in the window it is compared with.

    `as_of`: the flush of the oldest partition that an open window's counts stand for, null in a closed window.
    """

    tenant_id: UUID
    pipeline_id: UUID
    window: Window
    compared_with: Window | None = None
    as_of: datetime | None = None
    pairs: tuple[Pair, ...]


class Point(Answer):
    """The counts of a pair in a window. `first` has the counts of revision 1 where a later revision changed them.

    `counts` is null where the window's run has no such pair.
    """

    window: Window
    counts: Counts | None = None
    first: Counts | None = None


class Run(Answer):
    """A run: one revision of a closed window, and what it rests on.

    The run covers every change up to `source_lsn`, and equals the log up to `positions` (offsets by partition).
    """

    run_id: UUID
    tenant_id: UUID
    pipeline_id: UUID
    window: str
    start: datetime
    end: datetime
    revision: int
    causes: tuple[str, ...]
    lowest_lsn: str | None
    highest_lsn: str | None
    completeness: Literal["proven", "estimated"]
    reasons: tuple[str, ...]
    source_lsn: str
    source_time: datetime
    published_at: datetime
    positions: dict[str, int]


class RunWithFacts(Run):
    """A run with its facts."""

    pairs: tuple[Pair, ...]


class Reconciliation(Answer):
    """A comparison with the canonical SQL. The numbers are null for a reader who does not see all tenants."""

    reconciliation_id: int
    started_at: datetime
    finished_at: datetime | None
    outcome: Literal["equal", "different", "undecided"] | None
    runs: int | None
    pairs: int | None
    differences: int | None
    undecided: int | None


class Health(Answer):
    """The freshness and the certainty of the numbers.

    `state`: `live`; `in_doubt`, if results are estimates; `late`, if a partition's counts are seconds old; `not_live`,
    if minutes old; `loading`, while partitions are read for the first time; `unknown`, without an installation. `age`:
    seconds since the flush of the oldest partition. `message` says the same in words, with the cause.
    """

    state: Literal["live", "in_doubt", "late", "not_live", "loading", "unknown"]
    message: str
    age: float | None = None
    as_of: datetime | None = None
    proven_until: datetime | None = None
    proof_age: float | None = None
    proven_lsn: str | None = None
    completeness: Literal["proven", "estimated"] | None = None
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    last_reconciliation: Reconciliation | None = None


class FieldProblem(Answer):
    """A mistake in a parameter."""

    field: str
    message: str


class Problem(Answer):
    """An error as RFC 9457 has it (`application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = Field(default=())
