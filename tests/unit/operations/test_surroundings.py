from dataclasses import replace

from streams.operations.reading import PartitionReading, Reading
from streams.operations.surroundings import Surroundings
from streams.settings import Settings

AT_TEN = Reading(partitions={0: PartitionReading(10, active=True, deals=1)})
AT_ELEVEN = replace(AT_TEN, partitions={0: PartitionReading(11, active=True, deals=1)})


def test_a_position_stands_for_as_long_as_it_has_unread_records_and_does_not_move() -> None:
    around = Surroundings(Settings())
    assert around.standing(AT_TEN, {0: 10}, 100.0) == {}
    assert around.standing(AT_TEN, {0: 12}, 101.0) == {0: 0.0}
    assert around.standing(AT_TEN, {0: 13}, 171.0) == {0: 70.0}
    assert around.standing(AT_ELEVEN, {0: 13}, 172.0) == {0: 0.0}
    assert around.standing(AT_ELEVEN, {0: 11}, 173.0) == {}
    assert around.standing(AT_ELEVEN, {0: 12}, 300.0) == {0: 0.0}


def test_without_an_answer_of_kafka_no_position_is_said_to_stand() -> None:
    around = Surroundings(Settings())
    around.standing(AT_TEN, {0: 12}, 100.0)
    assert around.standing(AT_TEN, {}, 200.0) == {}
    assert around.standing(AT_TEN, {0: 12}, 201.0) == {0: 0.0}
