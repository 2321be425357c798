from collections.abc import Callable, Sequence
from typing import TypeVar, overload

from streams.cdc.envelope import LogRecord

_R = TypeVar("_R", bound=LogRecord)

class Scanned(Sequence[_R]):
    def __init__(self, records: list[_R]) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int) -> _R: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_R]: ...

class Scanner:
    def __init__(
        self,
        scope: Callable[[bytes, bytes], int],
        stage: Callable[[bytes], int],
        is_rekeyed: Callable[[LogRecord], bool],
        odd: Callable[[LogRecord], bytes],
    ) -> None: ...
    def pack(self, records: Sequence[LogRecord], snapshots: set[int]) -> bytes: ...
