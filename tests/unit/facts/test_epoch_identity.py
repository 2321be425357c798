"""What makes counts others than those that are kept makes another epoch; nothing else does."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.domain.plan import plan_for
from streams.store import epoch as epochs
from streams.store.epoch import Epoch

TENANT = "6a0b4b4e-6a0a-4c0e-8d6d-0f5b6f9f7f01"
EPOCH = Epoch("crm.deals", "id of the topic", 8, plan_for(("hour", "day"), "UTC"))


@pytest.mark.parametrize(
    "change",
    [
        lambda epoch: replace(epoch, topic_id="id of another topic of that name"),
        lambda epoch: replace(epoch, partitions=9),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "week"), "UTC")),
        lambda epoch: replace(epoch, plan=plan_for(("hour",), "UTC")),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "day"), "Europe/Berlin")),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "day"), "UTC", {TENANT: "Asia/Tokyo"})),
    ],
)
def test_another_topic_partition_count_or_other_windows_are_another_epoch(
    change: Callable[[Epoch], Epoch],
) -> None:
    assert change(EPOCH).id != EPOCH.id


def test_another_meaning_of_the_counts_is_another_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    former = EPOCH.id
    monkeypatch.setattr(epochs, "STATE_FORMAT", epochs.STATE_FORMAT + 1)
    assert EPOCH.id != former


def test_the_same_topic_and_windows_are_the_same_epoch_for_every_worker_and_restart() -> None:
    assert replace(EPOCH, plan=plan_for(("hour", "day"), "UTC")).id == EPOCH.id
    assert str(EPOCH.id) == "54db0c25-686b-588e-a232-07c986c22513"
