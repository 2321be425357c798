"""The pages of runs, and of windows that are known to be wrong."""

from streams.web.gate import ProxyGate
from tests.integration.web.desk import DAY, name
from tests.integration.web.found import find, resolve
from tests.integration.web.gallery.scene import (
    PIPELINE,
    TENANT,
    TODAY,
    Gallery,
    Scene,
    history,
    install,
    judged,
    repaired,
    url,
    wrong_day,
)

STATES = Gallery()


@STATES.state("A run: its proof, its facts, and the SQL of its numbers")
async def run(scene: Scene) -> str:
    await history(scene, days=6)
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 5 * DAY, 2)}"


@STATES.state(
    "A run of a window that differs from the SQL: pairs, faults, witnesses, deals, and what mends it",
    in_full=True,
)
async def run_differs(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 2 * DAY, 1)}"


@STATES.state("A run whose window differs, for a reader without the permission for deals")
async def run_differs_without_deals(scene: Scene) -> str:
    scene.gate = ProxyGate(["127.0.0.1"], "proxy")
    scene.headers = {"X-Funnelproof-Secret": "proxy", "X-Funnelproof-Tenants": str(TENANT)}
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 2 * DAY, 1)}"


@STATES.state("A run whose window was mended: who repaired what, why, with what outcome", in_full=True)
async def run_mended(scene: Scene) -> str:
    await history(scene, days=6)
    found = await wrong_day(scene, 5)
    await find(scene.dsn, found)
    await repaired(scene, found, "failed", "no worker has folded the restatements within 60 s")
    await repaired(scene, found, "equal")
    await resolve(scene.desk)
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 5 * DAY, 2)}"


@STATES.state("The funnel of a closed window that is known to be wrong")
async def funnel_known_wrong(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    await find(scene.dsn, await wrong_day(scene, 2))
    await scene.desk.reconciled("different", {"differences": 2})
    return url(at=(TODAY - 2 * DAY).isoformat())


@STATES.state("Findings that are open: each leads to its window and to its deal", in_full=True)
async def findings_open(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, [*await wrong_day(scene, 2), *await wrong_day(scene, 3)])
    return "/findings"


@STATES.state("No window is known to be wrong")
async def findings_none(scene: Scene) -> str:
    await install(scene)
    return "/findings"


@STATES.state("Findings that a comparison has resolved")
async def findings_resolved(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    await resolve(scene.desk)
    return "/findings?state=resolved"
