"""Change events as Debezium sends them with `schemas/connectors/stage_state.json`: JSON without the schema part."""

from datetime import datetime

from bench.work import TABLE, Event, Row, instant

_FIRST_LSN = 24_297_344
_LSN_STEP = 120
_FIRST_TRANSACTION = 758
_CAPTURE_DELAY = 30_000  # microseconds from the commit to Debezium's own time stamp


def key(row: Row) -> bytes:
    """Return the record's key."""
    return f'{{"deal_id":"{row.deal_id}","id":"{row.id}"}}'.encode()


def envelope(number: int, event: Event) -> bytes:
    """Return the record's value; `number` counts the events and gives its LSN and transaction."""
    before = "null" if event.before is None else _row(event.before)
    operation = "c" if event.before is None else "u"
    lsn = _FIRST_LSN + number * _LSN_STEP
    captured = event.at + _CAPTURE_DELAY
    return (
        f'{{"before":{before},"after":{_row(event.after)},'
        '"source":{"version":"3.7.0.Final","connector":"postgresql","name":"crm",'
        f'"ts_ms":{event.at // 1000},"snapshot":"false","db":"crm",'
        f'"sequence":"[\\"{lsn - _LSN_STEP}\\",\\"{lsn}\\"]",'
        f'"ts_us":{event.at},"ts_ns":{event.at}000,"schema":"dyno_crm","table":"{TABLE}",'
        f'"txId":{_FIRST_TRANSACTION + number},"lsn":{lsn},"xmin":null,"origin":null,"origin_lsn":null}},'
        f'"transaction":null,"op":"{operation}",'
        f'"ts_ms":{captured // 1000},"ts_us":{captured},"ts_ns":{captured}000}}'
    ).encode()


def _row(row: Row) -> str:
    exited = "null" if row.exited_at is None else f'"{_zoned(instant(row.exited_at))}"'
    return (
        f'{{"id":"{row.id}","tenant_id":"{row.pipeline.tenant_id}","deal_id":"{row.deal_id}",'
        f'"pipeline_id":"{row.pipeline.id}","pipeline_stage_id":"{row.stage_id}",'
        f'"entered_at":"{_zoned(instant(row.entered_at))}","exited_at":{exited}}}'
    )


def _zoned(moment: datetime) -> str:
    """Return the instant as `io.debezium.time.ZonedTimestamp` prints it: no zeros at the end of the fraction."""
    seconds, _, fraction = moment.replace(tzinfo=None).isoformat().partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"
