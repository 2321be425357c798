"""The expectations of a watch's detector about the window under the watch, kept for the page."""

from streams.alerts.evaluation.watch import Watch
from streams.domain.detection.evidence import DropHypotheses
from streams.domain.detection.told import pack
from streams.domain.windows import from_microseconds
from streams.resources import sql
from streams.store.database import ROWS_AT_ONCE, Connection


async def note_expectations(connection: Connection, watch: Watch) -> object:
    """Keep the present expectations of a watch over conversions; return the edition that was seen.

    Expectations change with each window that begins, and with a revision of an earlier window.
    """
    place, state = watch.place, watch.detector.state
    if state.open is None or place.start != state.open or place.end is None:
        return watch.detector.edition
    under, edition = watch.detector.under, watch.detector.edition
    if not isinstance(under, DropHypotheses):
        return edition
    streams = watch.streams.streams
    key = watch.rule.name, watch.rule.window, watch.book.tiling
    await connection.execute(sql("queries/alerts/expectations_clear"), *key)
    for begin in range(0, len(streams), ROWS_AT_ONCE):
        some = slice(begin, begin + ROWS_AT_ONCE)
        expected = under.expected[some]
        await connection.execute(
            sql("queries/alerts/expectations_note"),
            *key,
            from_microseconds(place.start),
            from_microseconds(place.end),
            [stream.scope.tenant_id for stream in streams[some]],
            [stream.scope.pipeline_id for stream in streams[some]],
            [stream.from_stage for stream in streams[some]],
            [stream.to_stage for stream in streams[some]],
            [round(float(windows)) for windows in state.baseline.windows[some]],
            expected.learned.tolist(),
            expected.spread.tolist(),
            pack(expected),
        )
    return edition
