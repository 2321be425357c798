"""The note by which a killed rebuild goes on."""

from datetime import UTC, datetime
from pathlib import Path

from streams.operations.rebuild_note import RebuildNote, forget_note, keep_note, read_note
from streams.settings import Settings

BEGUN = datetime(2026, 11, 29, 5, tzinfo=UTC)


def test_a_note_is_kept_replaced_and_forgotten(tmp_path: Path) -> None:
    settings = Settings(source_dsn="postgresql://crm@localhost/crm", state_dir=tmp_path / "state")
    assert read_note(settings) is None
    forget_note(settings)
    for note in (RebuildNote(BEGUN), RebuildNote(BEGUN, "topic")):
        keep_note(settings, note)
        assert read_note(settings) == note
    (tmp_path / "state" / settings.instance / "rebuild.json").write_text('{"begun_at":')
    assert read_note(settings) is None  # no file of this program: a kill leaves a whole note
    forget_note(settings)
    assert not list((tmp_path / "state" / settings.instance).iterdir())
