"""Compiles what runs for every event (`streams/**/*.pyx`), where a C compiler is at hand.

Without one the package is complete too: the same is then done in Python, for twice the CPU of a worker.
"""

import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.errors import BaseError, CCompilerError


class CompiledModules(BuildHookInterface[Any]):
    """Puts each compiled module beside its source, and into wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; where that fails say so, and go on without."""
        del version
        root = Path(self.root)
        sources = sorted(root.glob("streams/**/*.pyx"))
        try:
            compile_in_place(root, sources)
        except (CCompilerError, BaseError) as error:
            self.app.display_warning(f"funnelproof is not compiled, its workers will be slower: {error}")
            return
        build_data["artifacts"] += [f"/{path.relative_to(root).with_suffix('')}.*.so" for path in sources]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_in_place(root: Path, sources: list[Path]) -> None:
    """Put each compiled module beside its source; `root` is the working directory."""
    extensions = [
        Extension(
            ".".join(path.relative_to(root).with_suffix("").parts),
            [str(path.relative_to(root))],
            extra_compile_args=["-O3"],
        )
        for path in sources
    ]
    with tempfile.TemporaryDirectory() as folder:
        modules = cythonize(extensions, build_dir=folder, quiet=True, include_path=[str(root)])
        command = Distribution({"ext_modules": modules, "packages": []}).get_command_obj("build_ext")
        command.inplace, command.force = True, True
        command.build_lib = command.build_temp = folder
        command.ensure_finalized()
        command.run()
