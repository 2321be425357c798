from pathlib import Path

import pytest

from streams.errors import PreconditionError
from streams.local import folders


def test_the_xdg_folders_are_honoured_and_relative_ones_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert folders.cache_dir() == tmp_path / "cache" / "funnelproof"
    assert Path.home() in folders.default_data_dir().parents


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PreconditionError, match="--data-dir"):
        folders.make(tmp_path / "file" / "folder")
