"""Labels: names of tenants and pipelines for people. Alerts and pages take names from here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streams.resources import sql
from streams.store.database import Connection, Pool, columns

LabelKind = Literal["tenant", "pipeline"]


class Label(NamedTuple):
    """The name of a tenant or a pipeline; `id` is a UUID in its canonical form."""

    kind: LabelKind
    id: str
    name: str


@dataclass(frozen=True)
class Labels:
    """The names of tenants and pipelines by id. A tenant or a pipeline without a name is called by its short id."""

    tenants: Mapping[str, str] = field(default_factory=dict)
    pipelines: Mapping[str, str] = field(default_factory=dict)

    def tenant(self, tenant_id: str) -> str:
        """Return the tenant's name for people."""
        return self.tenants.get(tenant_id) or shortened(tenant_id)

    def pipeline(self, pipeline_id: str) -> str:
        """Return the pipeline's name for people."""
        return self.pipelines.get(pipeline_id) or shortened(pipeline_id)


def shortened(identifier: str) -> str:
    """Return both ends of a UUID: `f0a5a4f5…7a02`. One end would not do: UUIDs made by the clock begin alike."""
    return f"{identifier[:8]}…{identifier[-4:]}"


async def keep_labels(report: Connection | Pool, labels: Sequence[Label]) -> None:
    """Replace the labels of the report database. Labels that did not change are not written."""
    await report.execute(sql("queries/store/labels_keep"), *(columns(labels) or [[], [], []]))


async def note_look(report: Connection | Pool, trouble: str | None) -> None:
    """Note a look at the CRM's labels, and count the look as a failure if there is a `trouble`."""
    await report.execute(sql("queries/store/labels_looked"), trouble)


async def known_labels(report: Connection | Pool) -> Labels:
    """Return the labels of the report database."""
    names: dict[str, dict[str, str]] = {"tenant": {}, "pipeline": {}}
    for row in await report.fetch(sql("queries/store/labels_known")):
        names[row["kind"]][row["id"]] = row["name"]
    return Labels(names["tenant"], names["pipeline"])
