"""The removal of an installation from the report database: views, facts, runs, and the schema `funnelproof`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import OwnConnection

_FACTS, _RUNS = "dyno_crm.report_stage_conversion_fact", "dyno_crm.report_run"


@dataclass(frozen=True)
class Step:
    """One removal: a text for people, and the statement."""

    what: str
    statement: str


@dataclass(frozen=True)
class ReportRemoval:
    """The steps in the order of execution, and a text for each part that stays."""

    steps: Sequence[Step]
    left: Sequence[str]

    async def run(self, report: OwnConnection) -> list[str]:
        """Do all steps in one transaction; return the steps' texts.

        Raises PreconditionError if an object of another program rests on a table, or if a right is missing.
        """
        try:
            async with report.transaction():
                for step in self.steps:
                    await report.execute(step.statement)
        except asyncpg.DependentObjectsStillExistError as error:
            raise PreconditionError(
                f"something of another program rests on what would be removed ({error.detail or error}): drop it, or "
                "run `funnelproof uninstall --keep-facts`; nothing was removed from the report database"
            ) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise PreconditionError(
                f"the role of the report database may not remove everything ({error}): nothing was removed from there"
            ) from error
        return [step.what for step in self.steps]


async def plan_report_removal(report: OwnConnection, *, keep_facts: bool) -> ReportRemoval:
    """Find everything that `migrate` and the workers have made in the report database; change nothing.

    Raises PreconditionError if the role may not remove an object.
    """
    found = await report.fetchrow(sql("queries/operations/uninstall_catalog"), keep_facts)
    assert found is not None  # noqa: S101 - the statement always returns one row
    if found["of_others"]:
        raise PreconditionError(
            f"the role of the report database does not own {', '.join(found['of_others'])}: run "
            "`funnelproof uninstall` as the role that ran `funnelproof migrate`; nothing was removed"
        )
    steps = [Step(f"view {view}", f"drop view {view}") for view in (*found["resting_views"], *found["views"])]
    if found["has_schema"]:
        steps.append(Step("schema funnelproof, with everything in it", "drop schema funnelproof cascade"))
    left: list[str] = []
    if keep_facts and found["has_facts"]:
        left.append(f"{_FACTS} and {_RUNS}, with all facts: --keep-facts")
    elif found["has_facts"] and found["has_runs"]:
        steps += await _facts(report, found, left)
    return ReportRemoval(steps, left)


async def _facts(report: OwnConnection, found: asyncpg.Record, left: list[str]) -> list[Step]:
    """Return the steps that remove facts and runs; add to `left` what is not funnelproof's."""
    runs = await report.fetchrow(sql("queries/operations/uninstall_runs"))
    assert runs is not None  # noqa: S101 - the statement always returns one row
    return list(_steps(found, runs, left))


def _steps(found: asyncpg.Record, runs: asyncpg.Record, left: list[str]) -> Iterator[Step]:
    drops_runs = found["runs_are_made_here"] and not runs["has_other_runs"]
    if runs["has_other_facts"]:
        left.append(f"{_FACTS} and {_RUNS}: they hold facts of another program; only funnelproof's go")
    elif not drops_runs:
        left.append(
            f"{_RUNS}, which the CRM had, with its columns; only funnelproof's rows and constraint go"
        )
    if not drops_runs or runs["has_other_facts"]:
        yield Step(
            f"funnelproof's rows of {_RUNS}, with their facts", sql("queries/operations/uninstall_own_runs")
        )
    if runs["has_other_facts"]:
        return
    yield Step(f"table {_FACTS}, with {runs['facts']} facts", f"drop table {_FACTS}")
    if drops_runs:
        yield Step(f"table {_RUNS}", f"drop table {_RUNS}")
        if found["has_no_crm"]:
            yield Step("schema dyno_crm, which is empty then", "drop schema dyno_crm")
    elif found["has_constraint"]:
        yield Step(
            f"constraint ux_report_run_id_tenant of {_RUNS}",
            f"alter table {_RUNS} drop constraint ux_report_run_id_tenant",
        )
