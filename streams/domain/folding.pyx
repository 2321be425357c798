# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The fold in C: the compiled twin of `PartitionState.apply_all`, for the two commonest kinds of change.

C applies a new row, and passes over a known row that says nothing new, where the deal has few rows. Every other change
goes to `PartitionState.apply_all`, one at a time.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.string cimport memcmp, memcpy

from streams.domain.packed cimport GONE, IS_REKEYED, IS_SNAPSHOT, NOTHING, PackedChange

from streams.domain.packed import unpacked
from streams.domain.profile import UNITS
from streams.domain.tally import ChangeNote, Moved

cdef tuple units = UNITS
cdef object COUNTS = Moved.COUNTS

cdef enum:
    BUCKETS = 12
    FEW = 64
    UNCHANGED = 0
    NEW_ROW = 1
    UNCOMMON = 2

cdef packed struct Row:
    unsigned char row_id[16]
    long long version
    long long at
    unsigned int scope
    unsigned int stage

cdef struct Entry:
    unsigned int stage
    long long at


cdef class Bounds:
    """The span of a pipeline's last entry (see `cells.Span`), in C."""

    cdef long long begin, end
    cdef tuple cells


cdef struct Age:
    long long start, length


cdef inline int bucket(Age age, long long at) noexcept:
    """The twin of `profile.bucket_of`. A window lasts a century at most, so the product fits into eight bytes."""
    return <int>((at - age.start) * BUCKETS // age.length)


cdef inline int add(dict moved, unsigned int before, unsigned int after, int entered, int converted) except -1:
    """Add a deal to the profile of a step, at the place of its two buckets."""
    cdef object number = (<unsigned long long>before << 32) | after
    cdef object unit = <object>PyTuple_GET_ITEM(units, entered * BUCKETS + converted)
    cdef PyObject* found = PyDict_GetItem(moved, number)
    moved[number] = unit if found == NULL else <object>found + unit
    return 0


def fold(state, bytes changes not None, *, bint note):
    """Apply packed changes in the log's order; return how many rows' entries changed. See `apply_all`."""
    cdef dict deals = state.deals
    cdef object cells_of = state._cells
    cdef set touched = state._changed
    cdef dict last = cells_of.last_bounds
    cdef const PackedChange* change = <const PackedChange*>PyBytes_AS_STRING(changes)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(changes) // sizeof(PackedChange), number, rows
    cdef Py_ssize_t applied = 0
    cdef bytes deal_id, packed
    cdef const Row* row
    cdef PyObject* known
    cdef int kind
    cdef Bounds bounds
    for number in range(count):
        if not change.flags & NOTHING:
            deal_id = PyBytes_FromStringAndSize(<const char*>change.deal_id, 16)
            known = PyDict_GetItem(deals, deal_id)
            packed = b"" if known == NULL else <bytes>known
            rows = PyBytes_GET_SIZE(packed) // sizeof(Row)
            row = <const Row*>PyBytes_AS_STRING(packed)
            kind = _kind_of(row, rows, change)
            if kind == NEW_ROW:
                bounds = <Bounds>last.get(change.scope)
                if bounds is None or not bounds.begin <= change.at < bounds.end:
                    bounds = _bounds(cells_of, last, change.scope, change.at)
                deals[deal_id] = _with(row, rows, change)
                applied += 1
                _enter(bounds.cells, row, rows, change, touched, note)
            elif kind == UNCOMMON:
                applied += state.apply_all(unpacked((<const char*>change)[:sizeof(PackedChange)]), note=note)
        change += 1
    return applied


cdef inline int _kind_of(const Row* row, Py_ssize_t rows, const PackedChange* change) noexcept:
    """Return the kind of a change to a deal with these rows."""
    cdef Py_ssize_t place
    if rows >= FEW:
        return UNCOMMON
    for place in range(rows):
        if memcmp(row[place].row_id, change.row_id, 16) == 0:
            if change.flags & IS_SNAPSHOT:
                return UNCOMMON
            if change.lsn <= row[place].version:
                return UNCHANGED
            if change.at == row[place].at and change.stage == row[place].stage and change.scope == row[place].scope:
                return UNCHANGED
            return UNCOMMON
    return UNCOMMON if change.stage == GONE else NEW_ROW


cdef inline bytes _with(const Row* row, Py_ssize_t rows, const PackedChange* change):
    """Return the deal's rows and the new row, packed."""
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, (rows + 1) * sizeof(Row))
    cdef Row* new = <Row*>PyBytes_AS_STRING(packed)
    memcpy(new, row, rows * sizeof(Row))
    new += rows
    memcpy(new.row_id, change.row_id, 16)
    new.version = change.lsn
    new.at = change.at
    new.scope = change.scope
    new.stage = change.stage
    return packed


cdef Bounds _bounds(object cells_of, dict last, unsigned int scope, long long at):
    cdef Bounds bounds = Bounds.__new__(Bounds)
    span = cells_of.span_of(scope, at)
    bounds.begin = span.begin
    bounds.end = span.end
    bounds.cells = span.cells
    last[scope] = bounds
    return bounds


cdef int _enter(
    tuple cells, const Row* row, Py_ssize_t rows, const PackedChange* change, set touched, bint note
) except -1:
    """Count a new row's entry in the cells of the entry's span; the twin of `Cell.enter`."""
    cdef Entry[FEW] first
    cdef int stages, place, entered
    cdef Py_ssize_t number
    cdef long long start, end, at
    cdef Age age
    cdef bint counted
    cdef object cell
    cdef dict moved
    for cell in cells:
        start = cell.start
        end = cell.end
        stages = 0
        for number in range(rows):
            at = row[number].at
            if row[number].scope != change.scope or row[number].stage == GONE or not start <= at < end:
                continue
            for place in range(stages):
                if first[place].stage == row[number].stage:
                    if at < first[place].at:
                        first[place].at = at
                    break
            else:
                first[stages].stage = row[number].stage
                first[stages].at = at
                stages += 1
        for place in range(stages):
            if first[place].stage == change.stage:
                break
        else:
            place = -1
        if place >= 0 and change.at >= first[place].at:
            continue  # a later entry into the stage counts nothing
        if place >= 0:
            entries = {first[place].stage: first[place].at for place in range(stages)}
            effect = cell.enter(entries, change.stage, change.at)
            if not effect:
                continue
            counted = effect is COUNTS
        else:
            counted = True
            moved = cell.moved
            age = Age(start, end - start)
            entered = bucket(age, change.at)
            add(moved, change.stage, change.stage, entered, entered)
            for place in range(stages):
                if first[place].at < change.at:
                    add(moved, first[place].stage, change.stage, bucket(age, first[place].at), entered)
                elif first[place].at > change.at:
                    add(moved, change.stage, first[place].stage, entered, bucket(age, first[place].at))
        touched.add(cell)
        if note and counted and change.committed_at >= end and not change.flags & IS_SNAPSHOT:
            cause = "deal_merged" if change.flags & IS_REKEYED else "late_insert"
            cell.add_note(ChangeNote({cause}, change.lsn, change.lsn))
    return 0
