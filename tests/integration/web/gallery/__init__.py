"""Every state of every page, each made on a database of its own: for the tests of accessibility, and for pictures."""

from tests.integration.web.gallery.deal_states import STATES as DEALS
from tests.integration.web.gallery.difference_states import STATES as DIFFERENCES
from tests.integration.web.gallery.funnel_states import STATES as FUNNELS
from tests.integration.web.gallery.list_states import STATES as LISTS
from tests.integration.web.gallery.operation_states import STATES as OPERATIONS
from tests.integration.web.gallery.other_states import STATES as OTHERS
from tests.integration.web.gallery.scene import Scene, State, pictures_of

__all__ = ["STATES", "Scene", "State", "pictures_of"]

STATES: list[State] = [*FUNNELS, *LISTS, *DIFFERENCES, *DEALS, *OPERATIONS, *OTHERS]
