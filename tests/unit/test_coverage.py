"""Coverage traces what it should: a tracer makes Python half as fast."""

import pytest
from coverage import Coverage


@pytest.mark.thorough
def test_no_tracer_slows_a_thorough_test_down() -> None:
    assert Coverage.current() is None
