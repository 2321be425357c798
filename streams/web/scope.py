"""A reader: the tenants whose rows a request may see, and what else the request may do."""

from dataclasses import dataclass
from uuid import UUID

ALL = "*"
OPERATIONS = "operations"
"""The permission to see the state of the installation; for readers of all tenants only."""
DEALS = "deals"
"""The permission to see the deals behind a number."""


@dataclass(frozen=True)
class Scope:
    """The tenants that a reader may see; None is every tenant. `name` is the reader's name for the log.

    `may` has the further permissions: `operations`, the state of the whole installation; `deals`, the deals behind a
    number.
    """

    tenants: frozenset[UUID] | None
    may: frozenset[str] = frozenset()
    name: str = ""

    @property
    def operates(self) -> bool:
        """True for a reader who may see the state of the installation, which tells of every tenant."""
        return self.tenants is None and OPERATIONS in self.may

    @property
    def setting(self) -> str:
        """The value of `funnelproof.tenants` in the reader's transactions. The empty value shows no row."""
        if self.tenants is None:
            return ALL
        return ",".join(sorted(str(tenant) for tenant in self.tenants))


NOBODY = Scope(frozenset())
"""A reader who sees no row of any tenant."""
EVERYTHING = Scope(None, frozenset({OPERATIONS, DEALS}), "local")
"""The reader on the machine itself."""
