from collections.abc import Callable, Sequence

from streams.cdc.envelope import LogRecord

class Scanner:
    def __init__(
        self,
        scope: Callable[[bytes, bytes], int],
        stage: Callable[[bytes], int],
        is_rekeyed: Callable[[LogRecord], bool],
        fallback: Callable[[LogRecord], bytes],
    ) -> None: ...
    def pack(self, records: Sequence[LogRecord], snapshots: set[int]) -> bytes: ...
