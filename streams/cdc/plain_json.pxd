"""JSON in Debezium's form, without spaces: the grammar of RFC 8259. Only needed values are decoded.

Every function reads an element that begins at `at` and ends before `end`, and returns the end of the element; NULL if
the element is missing, or outside Debezium's form.
"""

from libc.string cimport memcmp, memcpy

ctypedef const unsigned char* Text

cdef enum:
    DEEPEST = 32  # deepest nesting of objects that is read

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


cdef inline Text literal(Text at, Text end, const char* word, int length) noexcept nogil:
    return at + length if end - at >= length and memcmp(at, word, length) == 0 else NULL


cdef inline Text text(Text at, Text end) noexcept nogil:
    """Characters of a string without escapes, possibly none; eight at a time, then singly."""
    cdef unsigned long long eight, found
    while end - at >= 8:
        memcpy(&eight, at, 8)
        found = zero_bytes(eight ^ QUOTES) | zero_bytes(eight ^ BACKSLASHES) | (eight - SPACES) & ~eight & HIGH_BITS
        if found:
            at += first_of(found)
            break
        at += 8
    while at < end and at[0] >= 0x20 and at[0] != c'"' and at[0] != c'\\':
        at += 1
    return at


cdef inline Text string(Text at, Text end) noexcept nogil:
    """A string with its quotes."""
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


cdef inline Text value(Text at, Text end, int depth) noexcept nogil:
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


cdef inline Text container(Text at, Text end, int depth) noexcept nogil:
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


cdef inline Text name(Text at, Text end, Text* begin, int* length) noexcept nogil:
    """A field's name and the colon. Escapes are refused: an escape could hide the name of a needed field."""
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
    """An integer of at most 18 digits without sign, fraction or exponent."""
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
