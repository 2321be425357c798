"""The canonical SQL of profiles, held to the definition; and Postgres' reading of a profile, held to Python's."""

import json
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.change import Scope
from streams.domain.profile import BUCKETS, UNITS, converted, deals_in, entered
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window, from_microseconds
from streams.resources import sql
from streams.store.database import OwnConnection
from tests.depth import examples
from tests.fakes.changes import StageEntry
from tests.machine.definition import PLACES, profiles_of

TENANT, PIPELINE, *STAGES = (str(UUID(int=number)) for number in range(1, 6))
SCOPE = Scope(TENANT, PIPELINE)
STARTS = [1_774_774_800_000_000, 1_774_774_800_000_001]
LENGTHS = [12, 13, 1_000_003, 3_600_000_000, 23 * 3_600_000_000, 25 * 3_600_000_000, 31 * 86_400_000_000]


@st.composite
def windows_with_entries(draw: st.DrawFn) -> tuple[Window, list[tuple[int, StageEntry]]]:
    start, length = draw(st.sampled_from(STARTS)), draw(st.sampled_from(LENGTHS))
    # On the first microsecond of each bucket and on both sides, where the last one lies in the bucket before.
    instants = [start + -(-number * length // 12) + by for number in range(13) for by in (-1, 0, 1)]
    entries = st.builds(StageEntry, st.just(SCOPE), st.sampled_from(STAGES), st.sampled_from(instants))
    rows = draw(st.lists(st.tuples(st.integers(0, 3), entries), max_size=16))
    return Window("length", start, start + length), rows


@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(windows_with_entries())
async def test_the_canonical_profile_is_what_the_definition_says_and_sums_to_the_canonical_counts(
    shared_connection: OwnConnection, history: tuple[Window, list[tuple[int, StageEntry]]]
) -> None:
    window, rows = history
    expected = profiles_of(rows, {TENANT: [window]})
    pairs = [{"from_stage_id": a, "to_stage_id": b} for a in STAGES for b in STAGES]
    asked = (
        UUID(TENANT),
        UUID(PIPELINE),
        from_microseconds(window.start),
        from_microseconds(window.end),
        json.dumps(pairs),
    )
    transaction = shared_connection.transaction()
    await transaction.start()
    try:
        await shared_connection.executemany(
            "insert into dyno_crm.deal_pipeline_stage_state "
            "(id, tenant_id, pipeline_id, deal_id, pipeline_stage_id, entered_at) "
            "values (gen_random_uuid(), $1::text::uuid, $2::text::uuid, $3, $4::text::uuid, $5)",
            [
                (*entry.scope, UUID(int=deal), entry.stage_id, from_microseconds(entry.at))
                for deal, entry in rows
            ],
        )
        profiles = await shared_connection.fetch(sql("canonical/stage_conversion_profile"), *asked)
        counts = await shared_connection.fetch(sql("canonical/stage_conversion"), *asked)
    finally:
        await transaction.rollback()
    where = WindowScope(SCOPE, window)
    found = {(str(row[0]), str(row[1])): tuple(row[2:]) for row in profiles}
    for a in STAGES:
        for b in STAGES:
            profile = 0 if a == b else expected.get(TallyKey(where, a, b), 0)
            assert found[a, b] == (entered(expected.get(TallyKey(where, a, a), 0)), converted(profile))
    sums = {pair: (sum(row[0]), sum(map(sum, row[1]))) for pair, row in found.items()}
    assert sums == {(str(row[0]), str(row[1])): tuple(row[2:4]) for row in counts}


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(PLACES), st.integers(0, 99_999_999 // 78)))
async def test_postgres_reads_a_profile_as_python_does(
    shared_connection: OwnConnection, deals: dict[tuple[int, int], int]
) -> None:
    written = sum(count * UNITS[i * BUCKETS + j] for (i, j), count in deals.items())
    read = await shared_connection.fetchrow(
        """
        select
            funnelproof.profile_entered(profile) as entered,
            funnelproof.profile_converted(profile) as converted,
            mod(profile, 99999999) as deals
        from (select $1::text::numeric as profile) as written
        """,
        str(written),
    )
    assert read is not None
    assert tuple(read) == (entered(written), converted(written), deals_in(written))
