"""What runs for every event is compiled wherever that is possible: a build that fails is only told of once."""

import shlex
import shutil
import sysconfig
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("streams/**/*.pyx")
)


def can_compile() -> bool:
    """Whether there is a C compiler, and what it needs of Python."""
    compiler, *_ = shlex.split(sysconfig.get_config_var("CC") or "cc")
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return headers.exists() and any(map(shutil.which, (compiler, "cc")))


def test_some_modules_are_to_be_compiled() -> None:
    assert MODULES == ["streams.cdc.scanner", "streams.domain.folding"]


@pytest.mark.skipif(not can_compile(), reason="no C compiler works here")
@pytest.mark.parametrize("module", MODULES)
def test_modules_are_compiled_where_there_is_a_c_compiler(module: str) -> None:
    try:
        import_module(module)
    except ImportError as error:
        pytest.fail(
            f"{module} is not compiled ({error}), so that events take three times as long: "
            f"run `rm -f .venv/.complete; make env` and see what it says"
        )
