"""The pages of pipelines and of alerts."""

from tests.integration.web.desk import DAY, name
from tests.integration.web.gallery.scene import (
    PIPELINE,
    TENANT,
    TODAY,
    Gallery,
    Scene,
    history,
    install,
    judged,
)

STATES = Gallery()


@STATES.state("The pipelines to choose from")
async def pipelines(scene: Scene) -> str:
    await install(scene)
    names = ("Renewals", "Partners", "Freight", "Retail, Southern Europe", "Field service")
    for number, text in enumerate(names):
        tenant, pipeline = name("tenant", number % 2), name("pipeline", number)
        await scene.desk.stages(tenant, pipeline)
        await scene.desk.label("pipeline", pipeline, text)
    return "/"


@STATES.state("Nothing is found by a search")
async def pipelines_not_found(scene: Scene) -> str:
    await install(scene)
    return "/?q=nobody"


@STATES.state("Before the first worker there is no pipeline")
async def pipelines_none(_: Scene) -> str:
    return "/"


@STATES.state("Alerts that are on, and what became of alerts")
async def alerts_on(scene: Scene) -> str:
    await history(scene, days=3)
    await judged(scene)
    await scene.desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY)
    return "/alerts"


@STATES.state("No alert is on")
async def alerts_none(scene: Scene) -> str:
    await history(scene, days=3)
    return "/alerts"
