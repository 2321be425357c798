"""The pages of deals."""

from datetime import timedelta

from tests.integration.web.crm import write_deals
from tests.integration.web.desk import name
from tests.integration.web.gallery.scene import (
    AWAY,
    PIPELINE,
    STAGES,
    TENANT,
    TODAY,
    Gallery,
    Scene,
    history,
    url,
)

STATES = Gallery()


@STATES.state("The deals behind a number, as many as counted")
async def deals(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1, today=[(12, 5), (5, 1), (1, 0)])
    await write_deals(scene.desk, TENANT, PIPELINE, TODAY + timedelta(hours=8), 12, 5, after=4980)
    return url("/deals", which="converted", **STAGES)


@STATES.state("The deals differ from the number, with the reasons")
async def deals_differ(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1, today=[(12, 5), (5, 1), (1, 0)])
    await write_deals(scene.desk, TENANT, PIPELINE, TODAY + timedelta(hours=8), 14, 5)
    return url("/deals", which="entered", **STAGES)


@STATES.state("The page has no login for the CRM's deals")
async def deals_without_login(scene: Scene) -> str:
    await history(scene, days=1)
    return url("/deals", which="entered", **STAGES)


@STATES.state("The CRM's database gives no answer: the number stays")
async def deals_away(scene: Scene) -> str:
    scene.settings["deals_dsn"] = AWAY
    await history(scene, days=1)
    return url("/deals", which="entered", **STAGES)


@STATES.state("A deal: its rows, and which of them count")
async def deal(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1)
    start = TODAY + timedelta(hours=8)
    await write_deals(scene.desk, TENANT, PIPELINE, start, 12, 5, after=4980)
    return url(f"/deals/{name(PIPELINE, start, 'deal', 0)}")
