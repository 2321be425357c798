"""All actions, by name."""

from tests.source_changes import capture, log, restores, tables
from tests.source_changes.action import Action

ACTIONS: dict[str, Action] = {
    action.name: action for action in (*tables.CHANGES, *capture.CHANGES, *log.CHANGES, *restores.CHANGES)
}
