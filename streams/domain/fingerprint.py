"""The fingerprint of a source: everything that the capture of changes rests on.

A log holds every change of the stage table only while the table, its columns, its replica identity and the publication
stay as they were. Example: at 12:00 someone runs `alter publication ... set (publish = 'insert')`. From then on no
update and no delete reaches the log. The fingerprint read with the next marker differs, and the next close is an
estimate.

A `version` is the xmin of a catalog row. The version reveals a change that was undone between two markers.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """The stage table, or a table below the stage table: a partition, or a table that inherits.

    `kind`, `persistence` and `identity` are letters of pg_class: `r` a table, `p` partitioned; `p` permanent; `f` full.
    `file` is the relfilenode, which every rewrite changes; 0 for a partitioned table. `version` changes with every DDL,
    `name_version` with the table's name. `made_as_partition`: the table and its place below the parent came from one
    transaction, so the table was empty.
    """

    oid: int
    name: str
    kind: str
    persistence: str
    identity: str
    file: int
    version: str
    owner: int
    name_version: str
    made_as_partition: bool = False


@dataclass(frozen=True)
class Column:
    """A column that funnelproof reads, or a generated column (`s` stored, `v` virtual); `number` is the attnum."""

    name: str
    number: int
    type: str
    generated: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """A table of the publication; `filtered` by a condition on rows, `column_list`: only some columns."""

    oid: int
    name: str
    version: str
    filtered: bool
    column_list: bool


@dataclass(frozen=True)
class Publication:
    """The publication that the connector reads; `generated` is pubgencols (`n` none, `s` stored).

    `name` is quoted where SQL needs quotes; empty in a fingerprint that an older version has kept.
    """

    oid: int
    version: str
    owner: int
    all_tables: bool
    insert: bool
    update: bool
    delete: bool
    truncate: bool
    via_root: bool
    generated: str
    tables: Sequence[PublishedTable]
    name: str = ""


@dataclass(frozen=True)
class TruncateTrigger:
    """The trigger that turns a truncate into deletes; `enabled` is tgenabled (`A` always).

    `fired_in` is the transaction of the last truncate that the trigger has met.
    """

    version: str
    enabled: str
    function_version: str
    fired_in: str | None = None


@dataclass(frozen=True)
class Fingerprint:
    """The source at one moment. `hidden_from` are the roles from which row security hides rows."""

    database: int
    server_version: int
    wal_level: str
    has_stages: bool
    table: Relation | None
    descendants: Sequence[Relation]
    parents: Sequence[str]
    columns: Sequence[Column]
    hidden_from: Sequence[str]
    publication: Publication | None
    trigger: TruncateTrigger | None

    @property
    def relations(self) -> Sequence[Relation]:
        """The stage table and every table below the stage table."""
        return [] if self.table is None else [self.table, *self.descendants]
