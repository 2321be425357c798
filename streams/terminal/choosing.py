"""The pipeline that a person means, by label or id."""

from collections.abc import Callable, Sequence
from uuid import UUID

from streams.errors import PreconditionError
from streams.store.labels import shortened
from streams.terminal.shapes import printable
from streams.web.database import Reading
from streams.web.lists import read_pipelines
from streams.web.model import Pipeline

_PAGE = 1000
_NAMED = 8
"""The most pipelines that a message names."""


async def choose(read: Reading, tenant: str | None, pipeline: str | None) -> Pipeline:
    """Return the only pipeline of these names. A name is a label, an id, a part of a label, or the beginning of an id.

    A full label or id is preferred to a part. Raises PreconditionError if no pipeline or more than one pipeline is
    meant.
    """
    found = _named(
        await _all(read, pipeline or tenant), pipeline, lambda each: (each.pipeline, each.pipeline_id)
    )
    found = _named(found, tenant, lambda each: (each.tenant, each.tenant_id))
    if len(found) == 1:
        return found[0]
    if found:
        raise PreconditionError(f"choose a pipeline with --pipeline and --tenant: {_list(found)}")
    known = await _all(read, None)
    if not known:
        raise PreconditionError("no pipeline is known yet: start `funnelproof worker`, and wait for a proof")
    given = " ".join(
        f"--{option} {text}" for option, text in (("tenant", tenant), ("pipeline", pipeline)) if text
    )
    raise PreconditionError(f"no pipeline has {given}; known: {_list(known)}")


def title(pipeline: Pipeline) -> str:
    """Return tenant and pipeline for people: labels, or shortened ids."""
    tenant = pipeline.tenant or shortened(str(pipeline.tenant_id))
    return printable(f"{tenant} / {pipeline.pipeline or shortened(str(pipeline.pipeline_id))}")


async def _all(read: Reading, search: str | None) -> list[Pipeline]:
    page = await read_pipelines(read, search, None, _PAGE)
    found: list[Pipeline] = []
    while page.next is not None:
        found += page.items
        page = await read_pipelines(read, search, page.next, _PAGE)
    return [*found, *page.items]


def _named(
    pipelines: Sequence[Pipeline], text: str | None, names: Callable[[Pipeline], tuple[str | None, UUID]]
) -> Sequence[Pipeline]:
    if text is None:
        return pipelines
    wanted = text.strip().casefold()
    spelt = [(each, (names(each)[0] or "").strip().casefold(), str(names(each)[1])) for each in pipelines]
    exact = [each for each, label, identifier in spelt if wanted in (label, identifier)]
    return exact or [
        each for each, label, identifier in spelt if wanted in label or identifier.startswith(wanted)
    ]


def _list(pipelines: Sequence[Pipeline]) -> str:
    """Return the pipelines as a person may type them: labels, and ids where labels are missing or the same."""
    labels = [f"{each.tenant or each.tenant_id} / {each.pipeline or each.pipeline_id}" for each in pipelines]
    told = [
        f"{label} ({each.pipeline_id})" if labels.count(label) > 1 else label
        for each, label in list(zip(pipelines, labels, strict=True))[:_NAMED]
    ]
    return printable("; ".join(told)) + (f"; and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
