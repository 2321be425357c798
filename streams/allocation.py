"""Memory that the process takes from the system and gives back."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's malloc.h."""
_LARGE = 1_000_000


def give_large_arrays_back() -> None:
    """Have the memory of a large array given back to the system as soon as the array is forgotten.

    Left alone, glibc keeps what is freed: with each large array that is freed the size grows from which arrays have
    memory of their own, up to 32 MB. A process of many large arrays then holds half as much memory again. Another C
    library is left as it is.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
