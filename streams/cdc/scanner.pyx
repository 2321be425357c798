# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Change events read in C: the compiled twin of `envelope`, for events in Debezium's usual form.

The scanner decodes a usual event exactly as `envelope` does. The scanner leaves every other event to `envelope`: a
space between two fields, an escape in an identifier, a time outside UTC, a missing or repeated field, any error. Only
`envelope` knows the reasons for refusals.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy, memset

from streams.cdc.plain_json cimport Text, integer, literal, name, named, value
from streams.cdc.plain_values cimport identifier, instant
from streams.domain.packed cimport GONE, IS_REKEYED, IS_SNAPSHOT, PackedChange

cdef enum:
    OTHER = 0
    ID = 1
    TENANT = 2
    DEAL = 4
    PIPELINE = 8
    STAGE = 16
    ENTERED = 32
    WHOLE_ROW = 63
    KEY = ID | DEAL
    MILLIS = 1
    LSN = 2
    BEFORE = 1
    AFTER = 2
    SOURCE = 4
    OP = 8
    PAYLOAD = 16

cdef long long LAST_MILLIS = 4_000_000_000_000_000LL  # in microseconds it fits into eight bytes

cdef struct Event:
    PackedChange change
    unsigned char scope[32]  # the tenant, the pipeline
    unsigned char stage[16]
    unsigned char op
    unsigned char is_plain
    unsigned char has_headers
    Text text
    Py_ssize_t size


cdef Text row(Text at, Text end, Event* event, bint key_only) noexcept nogil:
    """Read the object `after`, or the key within `before`."""
    cdef Text begin = NULL
    cdef int length = 0, seen = 0, field
    cdef long long entered = 0  # the packed field may be unaligned, so its address must not be taken
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        field = OTHER
        if named(begin, length, b"id", 2):
            field = ID
        elif named(begin, length, b"deal_id", 7):
            field = DEAL
        elif not key_only:
            if named(begin, length, b"tenant_id", 9):
                field = TENANT
            elif named(begin, length, b"pipeline_id", 11):
                field = PIPELINE
            elif named(begin, length, b"pipeline_stage_id", 17):
                field = STAGE
            elif named(begin, length, b"entered_at", 10):
                field = ENTERED
        if field & seen:
            return NULL
        seen |= field
        if field == ID:
            at = identifier(at, end, event.change.row_id)
        elif field == DEAL:
            at = identifier(at, end, event.change.deal_id)
        elif field == TENANT:
            at = identifier(at, end, event.scope)
        elif field == PIPELINE:
            at = identifier(at, end, event.scope + 16)
        elif field == STAGE:
            at = identifier(at, end, event.stage)
        elif field == ENTERED:
            at = instant(at, end, &entered)
        else:
            at = value(at, end, 2)
        if at == NULL or at >= end:
            return NULL
        if at[0] == c'}':
            event.change.at = entered
            return at + 1 if seen == (KEY if key_only else WHOLE_ROW) else NULL
        if at[0] != c',':
            return NULL


cdef Text source(Text at, Text end, Event* event) noexcept nogil:
    """Read the object `source`: the instant of the commit, and the position in the source's log."""
    cdef Text begin = NULL
    cdef int length = 0, seen = 0, field
    cdef long long millis = 0, lsn = -1
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        field = OTHER
        if named(begin, length, b"ts_ms", 5):
            field = MILLIS
        elif named(begin, length, b"lsn", 3):
            field = LSN
        if field & seen:
            return NULL
        seen |= field
        if field == MILLIS:
            at = integer(at, end, &millis)
        elif field == LSN:
            at = literal(at, end, b"null", 4) if at < end and at[0] == c'n' else integer(at, end, &lsn)
        else:
            at = value(at, end, 2)
        if at == NULL or at >= end:
            return NULL
        if at[0] == c'}':
            if not seen & MILLIS or millis > LAST_MILLIS:
                return NULL
            event.change.committed_at = millis * 1000
            event.change.lsn = lsn
            return at + 1
        if at[0] != c',':
            return NULL


cdef Text envelope(Text at, Text end, Event* event, bint is_payload) noexcept nogil:
    """Read the event, or the event within the `payload` of some converters."""
    cdef Text begin = NULL, before = NULL
    cdef int length = 0, seen = 0, field
    cdef bint has_after = False
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        field = OTHER
        if named(begin, length, b"before", 6):
            field = BEFORE
        elif named(begin, length, b"after", 5):
            field = AFTER
        elif named(begin, length, b"source", 6):
            field = SOURCE
        elif named(begin, length, b"op", 2):
            field = OP
        elif not is_payload and named(begin, length, b"payload", 7):
            field = PAYLOAD
        if field & seen:
            return NULL
        seen |= field
        if field == BEFORE:
            before = at
            at = value(at, end, 1)
        elif field == AFTER:
            if at < end and at[0] == c'n':
                at = literal(at, end, b"null", 4)
            else:
                has_after = True
                at = row(at, end, event, False)
        elif field == SOURCE:
            at = source(at, end, event)
        elif field == OP:
            if end - at < 3 or at[0] != c'"' or at[2] != c'"' or at[1] not in b"crud":
                return NULL
            event.op = at[1]
            at += 3
        elif field == PAYLOAD:
            at = envelope(at, end, event, True)
        else:
            at = value(at, end, 1)
        if at == NULL or at >= end:
            return NULL
        if at[0] == c'}':
            break
        if at[0] != c',':
            return NULL
    if seen & PAYLOAD:
        return at + 1 if seen == PAYLOAD else NULL
    if not (seen & SOURCE and seen & OP) or (event.op != c'r' and event.change.lsn < 0):
        return NULL
    if event.op == c'u' and (before == NULL or before[0] == c'n'):
        return NULL
    if event.op != c'd':
        return at + 1 if has_after else NULL
    if has_after or before == NULL or row(before, end, event, True) == NULL:
        return NULL
    return at + 1


cdef bytes _read(list records):
    """Return an Event for every record; other threads run during the scan."""
    cdef Py_ssize_t count = len(records), number
    cdef bytes room = PyBytes_FromStringAndSize(NULL, count * sizeof(Event))
    cdef Event* event = <Event*>PyBytes_AS_STRING(room)
    cdef list values = []  # keeps the bytes alive during the scan
    memset(event, 0, count * sizeof(Event))
    for number in range(count):
        record = records[number]
        value = record.value
        values.append(value)
        event.has_headers = bool(record.headers)
        if type(value) is bytes:
            event.text = <Text>PyBytes_AS_STRING(value)
            event.size = PyBytes_GET_SIZE(value)
        event += 1
    event -= count
    with nogil:
        for number in range(count):
            if event.text != NULL:
                event.is_plain = envelope(event.text, event.text + event.size, event, False) == event.text + event.size
            event += 1
    return room


cdef class Scanner:
    """Decodes records to packed changes (see `streams.domain.packed`), in the codes of the worker's vocabulary.

    `scope` and `stage` return the codes of identifiers, given sixteen bytes per identifier. `is_rekeyed` inspects a
    record with headers. `fallback` decodes a record outside the usual form: returns a packed change, or raises.
    """

    cdef dict _scopes, _stages
    cdef object _scope, _stage, _is_rekeyed, _fallback

    def __init__(self, scope, stage, is_rekeyed, fallback):
        self._scopes = {}
        self._stages = {}
        self._scope = scope
        self._stage = stage
        self._is_rekeyed = is_rekeyed
        self._fallback = fallback

    def pack(self, records, set snapshots):
        """Return a packed change per record, in order; add the LSNs of snapshots to `snapshots`.

        Raises the errors of `fallback`.
        """
        cdef list held = list(records)  # the caller's list may change during the scan
        cdef Py_ssize_t count = len(held), number
        cdef bytes read = _read(held)
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, count * sizeof(PackedChange))
        cdef const Event* event = <const Event*>PyBytes_AS_STRING(read)
        cdef PackedChange* change = <PackedChange*>PyBytes_AS_STRING(packed)
        for number in range(count):
            record = held[number]
            if event.is_plain:
                change[0] = event.change
                self._finish(change, event, snapshots)
                if event.has_headers and self._is_rekeyed(record):
                    change.flags |= IS_REKEYED
            else:
                read_alone = self._fallback(record)
                if PyBytes_GET_SIZE(<bytes?>read_alone) != sizeof(PackedChange):
                    raise ValueError("no packed change")
                memcpy(change, PyBytes_AS_STRING(read_alone), sizeof(PackedChange))
            event += 1
            change += 1
        return packed

    cdef int _finish(self, PackedChange* change, const Event* event, set snapshots) except -1:
        """Put in the codes, which only Python knows."""
        cdef bytes key
        if event.op == c'd':
            change.stage = GONE
            return 0
        if event.op == c'r':
            change.flags |= IS_SNAPSHOT
            if change.lsn > 0:
                snapshots.add(change.lsn)
            change.lsn = 0
        key = PyBytes_FromStringAndSize(<const char*>event.scope, 32)
        code = self._scopes.get(key)
        if code is None:
            code = self._scopes[key] = self._scope(key[:16], key[16:])
        change.scope = code
        key = PyBytes_FromStringAndSize(<const char*>event.stage, 16)
        code = self._stages.get(key)
        if code is None:
            code = self._stages[key] = self._stage(key)
        change.stage = code
        return 0
