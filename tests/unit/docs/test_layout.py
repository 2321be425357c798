import re
import tomllib

from tests.unit.docs.pages import ROOT


def layers() -> list[list[str]]:
    """Return the layers of import-linter from top to bottom, each with its modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [layer.split(" | ") for layer in project["tool"]["importlinter"]["contracts"][0]["layers"]]


def test_contributing_lists_every_folder_in_the_order_of_the_layers() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    tree = re.search(r"^streams/\n((?:  .+\n)+)", page, re.MULTILINE)
    assert tree
    listed = [
        re.sub(r"(/|\.py)$", "", name)
        for line in tree[1].splitlines()
        for name in re.findall(r"(?<= )\w+(?:/|\.py)(?= |$)", line.split("   ")[0] + " ")
    ]
    level = {module: depth for depth, layer in enumerate(layers()) for module in layer}
    assert set(listed) == level.keys() - {"__main__"}
    assert [level[module] for module in listed] == sorted(level[module] for module in listed)
