"""Identifiers and instants (RFC 3339) in Debezium's form; the functions follow the rules of `plain_json`."""

from streams.cdc.plain_json cimport Text

cdef extern from *:
    """
    static const unsigned char HEX[256] = {  /* a hexadecimal digit's value plus one; 0 for other characters */
        ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
        ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
        ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    """
    const unsigned char HEX[256]


cdef inline Text identifier(Text at, Text end, unsigned char* found) noexcept nogil:
    """A UUID of 36 characters, with quotes."""
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
        high = HEX[at[0]] - 1
        low = HEX[at[1]] - 1
        wrong |= high | low
        found[place] = <unsigned char>(high << 4 | low & 15)
        at += 2
    return NULL if wrong & 0xF0 else at + 1


cdef inline int two(Text at) noexcept nogil:
    """Two digits as a number; negative if a character is no digit."""
    cdef unsigned int tens = at[0] - c'0', ones = at[1] - c'0'
    return <int>(tens * 10 + ones) if tens < 10 and ones < 10 else -10_000


cdef inline int days_of(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline long long days_since_epoch(int year, int month, int day) noexcept nogil:
    """Howard Hinnant's days_from_civil, for years from 1 on; the algorithm's years begin in March."""
    cdef long long shifted = year - (month <= 2)
    cdef long long era = shifted // 400, of_era = shifted % 400
    cdef long long of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


cdef inline Text instant(Text at, Text end, long long* found) noexcept nogil:
    """An instant in UTC, in quotes, with at most six digits of a second's fraction; decoded to microseconds."""
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
