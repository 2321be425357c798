"""All actions, by name."""

from tests.source_changes import log, publication, restores, rights, tables, triggers
from tests.source_changes.action import Action

ACTIONS: dict[str, Action] = {
    action.name: action
    for module in (tables, publication, triggers, rights, log, restores)
    for action in module.CHANGES
}
