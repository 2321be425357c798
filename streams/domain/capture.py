"""The rules of capture: the faults of a source, and the changes of a source after which a log cannot be trusted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from streams.domain.fingerprint import Fingerprint, Publication, Relation

TABLE = "dyno_crm.deal_pipeline_stage_state"
NEEDED_TYPES = {
    "id": "uuid",
    "tenant_id": "uuid",
    "deal_id": "uuid",
    "pipeline_id": "uuid",
    "pipeline_stage_id": "uuid",
    "entered_at": "timestamp with time zone",
}
_GENERATED_IN_PUBLICATIONS = 180000
"""From this server version on, Postgres refuses updates if the publication leaves a generated column out."""
_COPY = "follow a copy of the table, as docs/other-tables.md shows"


@dataclass(frozen=True)
class Fault:
    """A reason why the log may lack changes: the kind of doubt, the reason, and the statement or advice that mends it.

    A change that is over has no `mend`.
    """

    kind: str
    reason: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.mend}" if self.mend else self.reason


def table_faults(source: Fingerprint) -> list[Fault]:
    """Return the faults of the table itself, which no publication can mend."""
    return [
        *_table(source),
        *_columns(source),
        *_generated(source),
        *_identity(source),
        *_row_security(source),
    ]


def capture_faults(source: Fingerprint) -> list[Fault]:
    """Return every fault of the source as it is now; an empty list: the log receives every change."""
    if source.table is None:
        return table_faults(source)
    return [*table_faults(source), *_publication(source)]


def changes(before: Fingerprint, now: Fingerprint) -> list[Fault]:
    """Return the changes between two fingerprints of one log after which the log may lack changes of rows.

    Example: somebody has taken the table out of the publication and put it back. Both fingerprints have no fault, but
    the versions differ, and the log lacks the changes made in between.
    """
    if before == now or now.table is None:
        return []
    return [*_changed_table(before, now), *_changed_publication(before, now), *_changed_trigger(before, now)]


def _table(source: Fingerprint) -> Iterator[Fault]:
    table = source.table
    if source.wal_level != "logical":
        yield Fault(
            "wal_level",
            f"wal_level is {source.wal_level}",
            "set wal_level = logical in the CRM's Postgres and restart it",
        )
    if table is None or not source.has_stages:
        yield Fault(
            "table",
            "the CRM's database has no tables dyno_crm.deal_pipeline_stage_state and dyno_crm.pipeline_stage",
            "does FUNNELPROOF_SOURCE_DSN point at it?",
        )
        return
    if table.kind not in ("r", "p"):
        yield Fault("table", f"{TABLE} is no table, so no change of it can be followed", _COPY)
    for relation in source.relations:
        if relation.persistence != "p":
            yield Fault(
                "table",
                f"{relation.name} is unlogged or temporary, so its changes are not in the WAL",
                f"alter table {relation.name} set logged",
            )
    if source.parents:
        yield Fault(
            "table",
            f"{TABLE} is itself a part of {source.parents[0]}",
            f"follow a table of its own, or {_COPY}",
        )
    if table.kind == "r" and source.descendants:
        child = source.descendants[0].name
        yield Fault(
            "table",
            f"{child} inherits from {TABLE}: the SQL counts its rows, and no publication of the parent has them",
            f"alter table {child} no inherit {TABLE}",
        )


def _columns(source: Fingerprint) -> Iterator[Fault]:
    types = {column.name: column.type for column in source.columns}
    if source.table is None:
        return
    for name, needed in NEEDED_TYPES.items():
        found = types.get(name)
        if found is None:
            yield Fault(
                "columns",
                f"{TABLE} has no column {name}",
                f"alter table {TABLE} rename column ... to {name}, or {_COPY}",
            )
        elif found != needed:
            yield Fault(
                "columns", f"{TABLE}.{name} is of type {found}, not {needed}", _type_remedy(name, found)
            )


def _type_remedy(name: str, found: str) -> str:
    if name == "entered_at" and found == "timestamp without time zone":
        return (
            f"alter table {TABLE} alter column entered_at type timestamptz using entered_at at time zone 'UTC', "
            f"or {_COPY}"
        )
    return _COPY


def _generated(source: Fingerprint) -> Iterator[Fault]:
    """PostgreSQL 18 refuses an update or a delete if the publication leaves a part of the replica identity out."""
    if source.server_version < _GENERATED_IN_PUBLICATIONS:
        return
    for column in source.columns:
        if column.generated == "v":
            yield Fault(
                "columns",
                f"{TABLE}.{column.name} is a virtual generated column: Postgres would refuse the CRM's updates once "
                "the table is published",
                f"alter table {TABLE} drop column {column.name}, or make the column stored, or {_COPY}",
            )


def _identity(source: Fingerprint) -> Iterator[Fault]:
    for relation in source.relations:
        if relation.identity != "f" and (relation.kind == "r" or not source.descendants):
            yield Fault(
                "identity",
                f"deletes in {relation.name} would arrive without the deal they belong to",
                f"alter table {relation.name} replica identity full",
            )


def _row_security(source: Fingerprint) -> Iterator[Fault]:
    for role in source.hidden_from:
        yield Fault(
            "row_security",
            f"row security hides rows of the CRM's tables from the role {role}",
            f'alter role "{role}" bypassrls',
        )


def _publication(source: Fingerprint) -> Iterator[Fault]:
    publication, table = source.publication, source.table
    if publication is None:
        yield Fault("publication", "the publication is missing", "run `funnelproof connector apply`")
        return
    if table is None:
        return
    alter = f"alter publication {publication.name} set"
    whole = f"{alter} table {TABLE}"
    if publication.all_tables:
        yield Fault(
            "publication",
            f"the publication has all tables, not just {TABLE}",
            f"drop publication {publication.name}",
        )
        return
    if [each.oid for each in publication.tables] != [table.oid]:
        names = ", ".join(each.name for each in publication.tables) or "no table"
        yield Fault("publication", f"the publication has {names}, not just {TABLE}", whole)
        return
    if missing := [name for name in ("insert", "update", "delete") if not getattr(publication, name)]:
        reason = f"the publication leaves out: {', '.join(missing)}"
        yield Fault("publication", reason, f"{alter} (publish = 'insert, update, delete')")
    if publication.tables[0].filtered:
        yield Fault("publication", "the publication has a row filter", whole)
    if publication.tables[0].column_list:
        yield Fault("publication", "the publication has a column list", whole)
    if table.kind == "p" and not publication.via_root:
        reason = "the publication sends changes under the partitions' names"
        yield Fault("publication", reason, f"{alter} (publish_via_partition_root = true)")
    stored = [column.name for column in source.columns if column.generated == "s"]
    if source.server_version >= _GENERATED_IN_PUBLICATIONS and stored and publication.generated != "s":
        yield Fault(
            "publication",
            f"the publication leaves the generated column {stored[0]} out, so Postgres refuses the CRM's updates",
            f"{alter} (publish_generated_columns = stored)",
        )


def _changed_table(before: Fingerprint, now: Fingerprint) -> Iterator[Fault]:
    old, new = before.table, now.table
    if new is None:
        return
    if before.database != now.database:
        yield Fault("table", "the CRM's database is another one than before")
    elif old is None or old.oid != new.oid:
        yield Fault("table", f"{TABLE} is another table than before")
    elif old.name_version != new.name_version:
        yield _renamed(old, new)
    known = {relation.oid: relation for relation in before.relations}
    present = {relation.oid: relation for relation in now.relations}
    for oid, relation in present.items():
        if oid in known and known[oid].file != relation.file and not _is_truncated(relation, now):
            yield Fault(
                "rewrite",
                f"{relation.name} was rewritten (vacuum full, cluster, alter table, or a truncate past the trigger)",
            )
        if oid not in known and relation != new and not relation.made_as_partition:
            yield Fault("table", f"{relation.name} was attached, perhaps with rows")
    for oid in known.keys() - present.keys() - ({old.oid} if old else set()):
        yield Fault("table", f"{known[oid].name} was detached or dropped")
    numbers = _numbers(before)
    if any(numbers.get(name, number) != number for name, number in _numbers(now).items()):
        yield Fault("columns", f"a column of {TABLE} was replaced by another of its name")


def _renamed(old: Relation, new: Relation) -> Fault:
    """Return the fault of a new `name_version`, which another owner brings about, too."""
    if old.owner == new.owner:
        return Fault("table", f"{TABLE} was renamed or moved, and put back")
    return Fault(
        "table", f"{TABLE} got another owner, and nothing tells whether it had another name meanwhile"
    )


def _is_truncated(relation: Relation, now: Fingerprint) -> bool:
    """Return true if the rewrite was a truncate before which the trigger has deleted every row, with an event each."""
    return now.trigger is not None and now.trigger.enabled == "A" and now.trigger.fired_in == relation.version


def _changed_publication(before: Fingerprint, now: Fingerprint) -> Iterator[Fault]:
    old, new = before.publication, now.publication
    if old is None or new is None or old == new:
        return
    tables = {each.oid: each.version for each in old.tables}
    if old.oid != new.oid:
        yield Fault("publication", "the publication was made anew")
    elif old.version != new.version:
        # Several changes between two markers look like one. Example: `publish` without deletes, then another owner.
        how = "changed, and put back" if _content(old) == _content(new) else "changed"
        yield Fault("publication", f"the publication was {how}, and nothing tells what it left out meanwhile")
    elif any(tables.get(each.oid, each.version) != each.version for each in new.tables):
        yield Fault("publication", "the table was taken out of the publication, and put back")


def _changed_trigger(before: Fingerprint, now: Fingerprint) -> Iterator[Fault]:
    known = None if now.trigger is None else replace(now.trigger, fired_in=None)
    if before.trigger is not None and replace(before.trigger, fired_in=None) != known:
        what = "gone" if now.trigger is None else "disabled" if now.trigger.enabled != "A" else "another one"
        yield Fault(
            "trigger",
            f"the trigger that turns a truncate into deletes is {what}",
            "run `funnelproof connector apply`",
        )


def _content(publication: Publication) -> Publication:
    return replace(publication, version="", name="")


def _numbers(source: Fingerprint) -> dict[str, int]:
    """Return the numbers of the needed columns by name."""
    return {column.name: column.number for column in source.columns if column.name in NEEDED_TYPES}
