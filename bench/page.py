"""Puts one run's figures into docs/performance.md: `python -m bench.page FILE`, with what `--save FILE` has written."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.standings import plain

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, results: Mapping[str, Any]) -> str:
    """Return the page with the tables of these results between its marks; those without results stay as they are."""
    tables = {name: _table(finding["rows"]) for name, finding in results["measures"].items()}
    if any(name.startswith("page-") for name in tables):
        tables["page-machine"] = f"{_machine(results)}.\n"
    if results["contenders"]:
        repeat = results["options"]["repeat"]
        tables["machine"] = f"{_machine(results)}; best of {repeat} run(s) of each contender.\n"
        tables["contenders"] = _contenders(results["contenders"])
        tables["modes"] = _modes(results["contenders"])
    return _PLACE.sub(
        lambda mark: f"{mark[1]}{tables[mark[2]]}{mark[3]}" if mark[2] in tables else mark[0], page
    )


def _machine(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"{machine['cores']} cores ({machine['processor']}, shared), {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; load {machine['load_before']} before the run"
    )


def _contenders(contenders: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        [
            {
                "contender": each["contender"],
                "events": each["events"],
                "events/s": each["events_per_second"] and round(each["events_per_second"]),
                "CPU s per million": each["cpu_per_million"],
                "of which start-up": each["cpu_before_first"],
                "CPU to ours": each["cpu_ratio"],
                "peak MiB": round(each["peak_mib"]),
                "exact": each["exact"],
                "exact after kill -9": each["durable"].partition(":")[0],
            }
            for each in contenders
        ]
    )


def _modes(contenders: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        f"- **{each['contender']}**: {each['mode']}. Exact after kill -9: {each['durable']}.\n"
        for each in contenders
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = " | ".join(rows[0])
    rule = "|".join("---" if isinstance(value, str) else "--:" for value in rows[0].values())
    body = "".join(f"| {' | '.join(map(plain, row.values()))} |\n" for row in rows)
    return f"| {head} |\n|{rule}|\n{body}"


if __name__ == "__main__":
    results = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    PAGE.write_text(filled(PAGE.read_text("utf-8"), results), "utf-8")
