"""All contenders, in the order in which they run and are shown."""

from collections.abc import Mapping
from fractions import Fraction

from bench.contender import Contender
from bench.java_peer import JavaPeer
from bench.ours import Ours
from bench.python_peer import PythonPeer

_FLINK_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.util", "java.lang", "java.time")
)


def contestants() -> Mapping[str, Contender]:
    """Return the contenders by name."""
    everybody: tuple[Contender, ...] = (
        Ours(),
        Ours(name="ours-interpreted", mode="the same, as if no C compiler had been at hand", compiled=False),
        PythonPeer(
            "loop",
            "confluent-kafka and msgspec, dictionaries, one COPY at the end: the floor",
            "no: a crash begins anew",
            module="bench.contenders.loop",
        ),
        PythonPeer(
            "loop-orjson",
            "the same loop, parsing the whole JSON with orjson, as it is usually written",
            "no: a crash begins anew",
            module="bench.contenders.loop",
            requirements="loop",
            arguments=("orjson",),
        ),
        PythonPeer(
            "faust",
            "faust-streaming 0.15.3, two tables in memory, a twentieth of the work",
            "no: offsets, changelog and Postgres are not one",
            share=Fraction(1, 20),
            changelogs=("deals", "counts"),
            module="bench.contenders.with_faust",
            requirements="faust",
            arguments=("worker", "--loglevel", "warn", "--without-web"),
        ),
        PythonPeer(
            "quix",
            "Quix Streams 3.28.0, exactly-once, RocksDB, commit every 2 s",
            "yes: transactions, and a sink that writes the same again",
            module="bench.contenders.with_quix",
            requirements="quix",
        ),
        PythonPeer(
            "bytewax",
            "Bytewax 0.21.1, one worker, without recovery",
            "no: only with recovery, which is slower",
            module="bench.contenders.with_bytewax:flow",
            requirements="bytewax",
            runner=("bytewax.run",),
        ),
        JavaPeer(
            "kafka-streams",
            "Kafka Streams 4.3.1, memory stores, exactly-once v2, 2 threads, commit every 1 s",
            "yes: transactions, and a sink that writes the same again",
            folder="kafka_streams",
            main="KafkaStreamsFunnel",
        ),
        JavaPeer(
            "flink",
            "Flink 2.2.0 in one process, heap state, parallelism 2, checkpoint every 1 s",
            "yes: checkpoints, and a sink that writes the same again",
            folder="flink",
            main="FlinkFunnel",
            options=_FLINK_OPENS,
        ),
    )
    return {contender.name: contender for contender in everybody}
