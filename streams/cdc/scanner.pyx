# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=False
"""Change events read in C: the compiled twin of `envelope`, for events as Debezium nearly always writes them.

What it takes, it takes as `envelope` does. Everything else (a space between two fields, an escape in an identifier, a
time that is not UTC, a field that is missing or there twice, any error) it leaves to `envelope`, which alone knows reasons.
The grammar is that of RFC 8259; instants are those of RFC 3339.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy, memset

from streams.domain.packed cimport GONE, IS_REKEYED, IS_SNAPSHOT, PackedChange

ctypedef const unsigned char* Text

cdef enum:
    DEEPEST = 32  # objects within objects; deeper ones are left to `envelope`
    ODD = 0
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

cdef struct Event:
    PackedChange change
    unsigned char scope[32]  # the tenant, the pipeline
    unsigned char stage[16]
    unsigned char op
    unsigned char is_plain
    unsigned char has_headers
    Text text
    Py_ssize_t size

cdef unsigned char[256] HEX
cdef unsigned char[256] PLAIN  # 1: a character that a string may hold as it is
cdef int _number
for _number in range(256):
    HEX[_number] = 0xFF
    PLAIN[_number] = _number >= 0x20 and _number != 0x22 and _number != 0x5C
for _number in range(10):
    HEX[ord("0") + _number] = _number
for _number in range(6):
    HEX[ord("a") + _number] = HEX[ord("A") + _number] = 10 + _number


cdef extern from *:
    """
    #define QUOTES 0x2222222222222222ULL
    #define BACKSLASHES 0x5C5C5C5C5C5C5C5CULL
    #define SPACES 0x2020202020202020ULL
    #define HIGH_BITS 0x8080808080808080ULL
    #define zero_bytes(x) (((x) - 0x0101010101010101ULL) & ~(x) & HIGH_BITS)
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define first_of(x) (__builtin_ctzll(x) >> 3)
    #else
    #define first_of(x) 0
    #endif
    """
    const unsigned long long QUOTES, BACKSLASHES, SPACES, HIGH_BITS
    unsigned long long zero_bytes(unsigned long long) nogil
    int first_of(unsigned long long) nogil


# Each of these reads one thing at `at` and returns where it ends, NULL where it is not plain.

cdef inline Text literal(Text at, Text end, const char* word, int length) noexcept nogil:
    return at + length if end - at >= length and memcmp(at, word, length) == 0 else NULL


cdef inline Text text(Text at, Text end) noexcept nogil:
    """Characters that a string may hold as they are, perhaps none; eight at a time, then one by one."""
    cdef unsigned long long eight, found
    while end - at >= 8:
        memcpy(&eight, at, 8)
        found = zero_bytes(eight ^ QUOTES) | zero_bytes(eight ^ BACKSLASHES) | (eight - SPACES) & ~eight & HIGH_BITS
        if found:
            at += first_of(found)
            break
        at += 8
    while at < end and PLAIN[at[0]]:
        at += 1
    return at


cdef inline Text string(Text at, Text end) noexcept nogil:
    """A string, its quotes included."""
    if at >= end or at[0] != c'"':
        return NULL
    at += 1
    while True:
        at = text(at, end)
        if at >= end:
            return NULL
        if at[0] == c'"':
            return at + 1
        if at[0] != c'\\' or end - at < 2 or at[1] not in b'"\\/bfnrt':
            return NULL
        at += 2


cdef inline Text digits(Text at, Text end) noexcept nogil:
    cdef Text first = at
    while at < end and c'0' <= at[0] <= c'9':
        at += 1
    return at if at > first else NULL


cdef inline Text number(Text at, Text end) noexcept nogil:
    if at < end and at[0] == c'-':
        at += 1
    if at < end and at[0] == c'0':
        at += 1
    else:
        at = digits(at, end)
        if at == NULL:
            return NULL
    if at < end and at[0] == c'.':
        at = digits(at + 1, end)
        if at == NULL:
            return NULL
    if at < end and (at[0] == c'e' or at[0] == c'E'):
        at += 1
        if at < end and (at[0] == c'+' or at[0] == c'-'):
            at += 1
        at = digits(at, end)
    return at


cdef Text value(Text at, Text end, int depth) noexcept nogil:
    """Any value."""
    if at >= end:
        return NULL
    if at[0] == c'"':
        return string(at, end)
    if at[0] == c'{' or at[0] == c'[':
        return container(at, end, depth)
    if at[0] == c'n':
        return literal(at, end, b"null", 4)
    if at[0] == c't':
        return literal(at, end, b"true", 4)
    if at[0] == c'f':
        return literal(at, end, b"false", 5)
    return number(at, end)


cdef Text container(Text at, Text end, int depth) noexcept nogil:
    """An object or a list."""
    cdef bint is_object = at[0] == c'{'
    cdef unsigned char close = c'}' if is_object else c']'
    at += 1
    if depth >= DEEPEST or at >= end:
        return NULL
    if at[0] == close:
        return at + 1
    while True:
        if is_object:
            at = string(at, end)
            if at == NULL or at >= end or at[0] != c':':
                return NULL
            at += 1
        at = value(at, end, depth + 1)
        if at == NULL or at >= end:
            return NULL
        if at[0] == close:
            return at + 1
        if at[0] != c',':
            return NULL
        at += 1


cdef Text name(Text at, Text end, Text* begin, int* length) noexcept nogil:
    """A field's name and the colon; without escapes, which could hide a name that counts."""
    if at >= end or at[0] != c'"':
        return NULL
    at += 1
    begin[0] = at
    at = text(at, end)
    length[0] = <int>(at - begin[0])
    if end - at < 2 or at[0] != c'"' or at[1] != c':':
        return NULL
    return at + 2


cdef inline bint named(Text begin, int length, const char* word, int size) noexcept nogil:
    return length == size and memcmp(begin, word, size) == 0


cdef inline Text integer(Text at, Text end, long long* found) noexcept nogil:
    """A number of at most 18 digits without sign, fraction or exponent."""
    cdef Text first = at
    cdef long long total = 0
    while at < end and c'0' <= at[0] <= c'9':
        if at - first == 18:
            return NULL
        total = total * 10 + (at[0] - c'0')
        at += 1
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    found[0] = total
    return at


cdef inline Text identifier(Text at, Text end, unsigned char* found) noexcept nogil:
    """A UUID as text of 36 characters, its quotes included."""
    cdef int place = 0
    cdef unsigned char high, low, wrong = 0
    if end - at < 38 or at[0] != c'"' or at[37] != c'"':
        return NULL
    at += 1
    if at[8] != c'-' or at[13] != c'-' or at[18] != c'-' or at[23] != c'-':
        return NULL
    for place in range(16):
        if place == 4 or place == 6 or place == 8 or place == 10:
            at += 1
        high = HEX[at[0]]
        low = HEX[at[1]]
        wrong |= high | low
        found[place] = <unsigned char>(high << 4 | low & 15)
        at += 2
    return NULL if wrong & 0xF0 else at + 1


cdef inline int two(Text at) noexcept nogil:
    """Two digits as a number, negative where they are none."""
    cdef unsigned int tens = at[0] - c'0', ones = at[1] - c'0'
    return <int>(tens * 10 + ones) if tens < 10 and ones < 10 else -10_000


cdef inline int days_of(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline long long days_since_epoch(int year, int month, int day) noexcept nogil:
    """Howard Hinnant's days_from_civil, for years from 1 on: years begin in March there."""
    cdef long long shifted = year - (month <= 2)
    cdef long long era = shifted // 400, of_era = shifted % 400
    cdef long long of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


cdef Text instant(Text at, Text end, long long* found) noexcept nogil:
    """A time in UTC with at most six digits of a second's fraction, its quotes included; to microseconds."""
    cdef int year, month, day, hour, minute, second, micros = 0, place = 100_000
    if end - at < 22 or at[0] != c'"':
        return NULL
    at += 1
    if at[4] != c'-' or at[7] != c'-' or at[10] != c'T' or at[13] != c':' or at[16] != c':':
        return NULL
    year = two(at) * 100 + two(at + 2)
    month = two(at + 5)
    day = two(at + 8)
    hour = two(at + 11)
    minute = two(at + 14)
    second = two(at + 17)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= days_of(year, month):
        return NULL
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
        return NULL
    at += 19
    if at[0] == c'.':
        at += 1
        if at >= end or at[0] == c'Z':
            return NULL
        while at < end and c'0' <= at[0] <= c'9' and place > 0:
            micros += (at[0] - c'0') * place
            place //= 10
            at += 1
    if end - at < 2 or at[0] != c'Z' or at[1] != c'"':
        return NULL
    found[0] = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    found[0] = found[0] * 1_000_000 + micros
    return at + 2


cdef Text row(Text at, Text end, Event* event, bint key_only) noexcept nogil:
    """The object `after`, or of `before` the key."""
    cdef Text begin = NULL
    cdef int length = 0, seen = 0, field
    cdef long long entered = 0  # a packed field may lie anywhere, so that its address is none to write to
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        field = ODD
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
    """The object `source`: when it was committed, and where in the source's log."""
    cdef Text begin = NULL
    cdef int length = 0, seen = 0
    cdef long long millis = 0, lsn = -1
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        if named(begin, length, b"ts_ms", 5):
            if seen & MILLIS:
                return NULL
            seen |= MILLIS
            at = integer(at, end, &millis)
        elif named(begin, length, b"lsn", 3):
            if seen & LSN:
                return NULL
            seen |= LSN
            at = literal(at, end, b"null", 4) if at < end and at[0] == c'n' else integer(at, end, &lsn)
        else:
            at = value(at, end, 2)
        if at == NULL or at >= end:
            return NULL
        if at[0] == c'}':
            if not seen & MILLIS or millis > 4_000_000_000_000_000LL:
                return NULL
            event.change.committed_at = millis * 1000
            event.change.lsn = lsn
            return at + 1
        if at[0] != c',':
            return NULL


cdef Text envelope(Text at, Text end, Event* event, bint is_payload) noexcept nogil:
    """The event, or the event within what some converters put around it."""
    cdef Text begin = NULL, before = NULL
    cdef int length = 0, seen = 0, field
    cdef bint has_after = False
    if at >= end or at[0] != c'{':
        return NULL
    while True:
        at = name(at + 1, end, &begin, &length)
        if at == NULL:
            return NULL
        field = ODD
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
    if event.op != c'd':
        return at + 1 if has_after else NULL
    if has_after or before == NULL or row(before, end, event, True) == NULL:
        return NULL
    return at + 1


cdef bytes _read(list records):
    """Return an Event for each record; others may run meanwhile."""
    cdef Py_ssize_t count = len(records), number
    cdef bytes room = PyBytes_FromStringAndSize(NULL, count * sizeof(Event))
    cdef Event* event = <Event*>PyBytes_AS_STRING(room)
    cdef list values = []  # held while they are read
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
    """Makes packed changes (see `streams.domain.packed`) of records, in the codes of the worker's vocabulary.

    `scope` and `stage` give the codes of identifiers, of which they are given sixteen bytes each; `is_rekeyed` looks at a
    record that has headers. `odd` reads a record that is not plain: it returns its packed change, and may raise.
    """

    cdef dict _scopes, _stages
    cdef object _scope, _stage, _is_rekeyed, _odd

    def __init__(self, scope, stage, is_rekeyed, odd):
        self._scopes = {}
        self._stages = {}
        self._scope = scope
        self._stage = stage
        self._is_rekeyed = is_rekeyed
        self._odd = odd

    def pack(self, records, set snapshots):
        """Return the packed changes of the records, one each, and add the positions of snapshots to `snapshots`.

        Raises whatever `odd` raises.
        """
        cdef list held = list(records)  # whoever else has them may change them meanwhile
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
                odd = self._odd(record)
                if PyBytes_GET_SIZE(<bytes?>odd) != sizeof(PackedChange):
                    raise ValueError("no packed change")
                memcpy(change, PyBytes_AS_STRING(odd), sizeof(PackedChange))
            event += 1
            change += 1
        return packed

    cdef int _finish(self, PackedChange* change, const Event* event, set snapshots) except -1:
        """Put in what only Python knows."""
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
