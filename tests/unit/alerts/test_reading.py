"""Changed profiles: one row a stream, however many pairs begin with the stage."""

import numpy as np

from streams.alerts.evaluation.reading import _change
from streams.domain.detection.profile import Profile


def entries(*counts: int) -> Profile:
    profile = Profile.empty(len(counts))
    profile.entered[:, 0] = counts
    return profile


def test_entries_that_come_with_every_pair_of_a_stage_are_counted_once() -> None:
    before, after = (
        entries(5, 0, 7),
        entries(6, 6, 8),
    )  # the second pair of the stage was not reported on before
    change = _change(9, [(np.array([4, 4]), before[:2], after[:2]), (np.array([1]), before[2:], after[2:])])
    assert (change.start, change.rows.tolist()) == (9, [1, 4])
    assert change.before.entered_count.tolist() == [7, 5]
    assert change.after.entered_count.tolist() == [8, 6]


def test_conversions_stand_in_the_row_of_their_stream() -> None:
    nothing, some = Profile.empty(2), Profile.empty(2)
    some.converted[:, 0, 0] = 3, 4
    change = _change(9, [(np.array([8, 2]), nothing, some)])
    assert np.array_equal(change.after.converted_count, [4, 3])
    assert not change.before.converted.any()
