"""The companies of the simulated CRM with their sales pipelines and stages, equal in every run."""

from dataclasses import dataclass
from uuid import UUID, uuid5

_NAMESPACE = UUID("a9e2bb29-98b8-5cbb-8f28-1f1ad84eb3e3")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline."""

    id: UUID
    name: str
    display_order: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A tenant's pipeline; `stages` are in display order."""

    id: UUID
    tenant_id: UUID
    tenant: str
    name: str
    stages: tuple[Stage, ...]

    @property
    def title(self) -> str:
        """The pipeline's name for people, for example `Aurora Energy / Renewals`."""
        return f"{self.tenant} / {self.name}"


def _pipeline(tenant: str, name: str, *stages: str, orders: tuple[int, ...] = ()) -> Pipeline:
    tenant_id = uuid5(_NAMESPACE, tenant)
    pipeline_id = uuid5(tenant_id, name)
    places = orders or range(1, len(stages) + 1)
    return Pipeline(
        pipeline_id,
        tenant_id,
        tenant,
        name,
        tuple(
            Stage(uuid5(pipeline_id, stage), stage, place)
            for stage, place in zip(stages, places, strict=True)
        ),
    )


PIPELINES = (
    _pipeline("Aurora Energy", "New business", "Lead", "Qualified", "Demo", "Proposal", "Won"),
    _pipeline("Aurora Energy", "Renewals", "Due", "Contacted", "Offer", "Renewed"),
    # Deleted stages left gaps in this pipeline's display orders; a gap does not change the order of the stages.
    _pipeline(
        "Brix Logistics",
        "Freight",
        "Inquiry",
        "Quote",
        "Negotiation",
        "Contract",
        "Won",
        orders=(1, 2, 5, 6, 9),
    ),
    _pipeline("Brix Logistics", "Partners", "Applied", "Vetted", "Trial", "Signed"),
    _pipeline(
        "Cobalt Health", "Clinics", "Lead", "Qualified", "Site visit", "Proposal", "Procurement", "Won"
    ),
    _pipeline("Cobalt Health", "Upsell", "Signal", "Call", "Proposal", "Won"),
)
"""The simulated pipelines; the live view shows the first."""
