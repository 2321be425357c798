"""The state of the page as a URL: what is shown, compared and chosen."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

Compare = Literal["previous", "none"]


@dataclass(frozen=True)
class Address:
    """The parameters of the page. `pair` is the pair of stages of the trend; None: the first pair."""

    tenant: UUID
    pipeline: UUID
    window: str
    at: datetime | None = None
    compare: Compare = "previous"
    pair: tuple[UUID, UUID] | None = None

    @property
    def _where(self) -> dict[str, str]:
        return {"tenant": str(self.tenant), "pipeline": str(self.pipeline), "window": self.window}

    @property
    def query(self) -> str:
        """The parameters as a query string; defaults are left out, so that equal states have equal URLs."""
        parameters = self._where
        if self.at is not None:
            parameters["at"] = self.at.isoformat()
        if self.compare != "previous":
            parameters["compare"] = self.compare
        if self.pair is not None:
            parameters["pair"] = ".".join(map(str, self.pair))
        return urlencode(parameters)

    @property
    def window_query(self) -> str:
        """The parameters of what was found in the window that begins at `at`, as a query string."""
        return urlencode(self._where | ({} if self.at is None else {"start": self.at.isoformat()}))

    def deals(self, pair: tuple[UUID, UUID], at: datetime, which: str, run: UUID | None = None) -> str:
        """Return the parameters of the deals behind a number of the window that holds `at`, as a query string."""
        parameters = self._where | {
            "at": at.isoformat(),
            "from_stage": str(pair[0]),
            "to_stage": str(pair[1]),
            "which": which,
        }
        return urlencode(parameters | ({} if run is None else {"run": str(run)}))

    def with_window(self, window: str) -> "Address":
        """Return the address of the newest window of another kind."""
        return replace(self, window=window, at=None)

    def with_at(self, at: datetime | None) -> "Address":
        """Return the address of another window of the kind; None is the newest."""
        return replace(self, at=at)

    def with_pair(self, pair: tuple[UUID, UUID]) -> "Address":
        """Return the address with the trend of another pair."""
        return replace(self, pair=pair)

    def with_compare(self, compare: Compare) -> "Address":
        """Return the address with another comparison."""
        return replace(self, compare=compare)
