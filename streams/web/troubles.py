"""The troubles of an installation, a sentence each with the remedy, as far as the report database tells."""

from collections.abc import Iterator

from streams.domain.duration import spell
from streams.store.doubts import COMPARE, RETRY
from streams.web.freshness import LATE_AFTER
from streams.web.operation_model import Operations, Trouble
from streams.web.waiting import FRESH_SECONDS

WAITED_SECONDS = 60.0
"""The seconds for which a result or an alert may wait for its receiver."""


def troubles_of(found: Operations) -> Iterator[Trouble]:
    """Yield the troubles, the greatest trouble first."""
    yield from _of_workers(found)
    yield from _of_results(found)
    yield from _of_delivery(found)


def _of_workers(found: Operations) -> Iterator[Trouble]:
    if not any(worker.lives for worker in found.workers):
        yield Trouble(part="workers", text="No worker lives: start `funnelproof worker`.")
    else:
        for worker in found.workers:
            if (worker.flush_age or 0) > LATE_AFTER.total_seconds():
                yield Trouble(part="partitions", text=_late(found, worker.name, lives=worker.lives))
    if found.proof.waits_for is not None:
        since = "yet" if found.proof.age is None else f"for {spell(found.proof.age)}"
        yield Trouble(
            part="proof",
            text=f"Nothing is proven {since}, and no window closes. The proof waits for {found.proof.waits_for}.",
        )


def _late(found: Operations, worker: str, *, lives: bool) -> str:
    late = [
        each
        for each in found.partitions
        if each.worker == worker and (each.flush_age or 0) > LATE_AFTER.total_seconds()
    ]
    places = ", ".join(str(each.partition) for each in late)
    which = f"Partition {places} was" if len(late) == 1 else f"Partitions {places} were"
    why = (
        "which lives no more: see the logs of the other workers"
        if not lives
        else "which replays the log: its log tells the time left"
        if all(each.is_replayed for each in late)
        else "which lives: see its log"
    )
    since = spell(max(each.flush_age or 0 for each in late))
    return f"{which} last flushed {since} ago by {worker}, {why}."


def _of_results(found: Operations) -> Iterator[Trouble]:
    windows, letters, compared = found.windows, found.dead_letters, found.comparisons
    if windows.overdue and found.proof.waits_for is None:
        yield Trouble(part="windows", text=f"{_count(windows.overdue, 'window is', 'windows are')} overdue.")
    for doubt in found.doubts:
        yield Trouble(
            part="doubts", text=f"Every result is an estimate: {doubt.reason}. To settle: {doubt.remedy}."
        )
    if letters.letters:
        yield Trouble(
            part="doubts",
            text=f"{_count(letters.letters, 'event', 'events')} could not be applied, so results are estimates. "
            f"To settle: {RETRY}.",
        )
    if compared.different:
        yield Trouble(
            part="comparisons",
            text=f"{_count(compared.different, 'closed window differs', 'closed windows differ')} from the canonical "
            f"SQL, the first for {spell(compared.different_age or 0)}. To settle: {COMPARE}.",
        )
    if (found.unpublished_age or 0) > WAITED_SECONDS:
        yield Trouble(
            part="kafka",
            text=f"{_count(found.unpublished_results, 'result waits', 'results wait')} for Kafka, the oldest for "
            f"{spell(found.unpublished_age or 0)}: see the log of the worker that proves.",
        )


def _of_delivery(found: Operations) -> Iterator[Trouble]:
    evaluator = found.evaluator
    if evaluator is not None and not evaluator.is_active:
        yield Trouble(
            part="alerts",
            text=f"Nobody evaluates the alert rules for {spell(evaluator.age)}: start `funnelproof alerts run`.",
        )
    elif evaluator is not None and evaluator.age > FRESH_SECONDS * 4:
        yield Trouble(
            part="alerts",
            text=f"{evaluator.evaluator} has not looked at the alert rules for {spell(evaluator.age)}: see its log.",
        )
    for each in found.receivers:
        if (each.age or 0) > WAITED_SECONDS:
            error = f": {each.last_error}" if each.last_error else ""
            yield Trouble(
                part="alerts",
                text=f"{_count(each.waiting, 'alert waits', 'alerts wait')} for the receiver {each.receiver}, the "
                f"oldest for {spell(each.age or 0)}{error}.",
            )


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
