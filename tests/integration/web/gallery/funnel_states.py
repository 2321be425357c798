"""The pages of a pipeline."""

from tests.integration.web.desk import DAY
from tests.integration.web.gallery.scene import (
    PIPELINE,
    TENANT,
    TODAY,
    YOUNG,
    Gallery,
    Scene,
    begin,
    funnel,
    history,
    install,
    judged,
    url,
)
from tests.integration.web.installation import doubt, mark

STATES = Gallery()


@STATES.state("The pipeline of the quick start: three deals entered Lead, and two of the deals entered Demo")
async def quick_start(scene: Scene) -> str:
    desk = scene.desk
    await desk.install(["15s", "day"])
    await desk.flush()
    await desk.stages(TENANT, PIPELINE, ["Lead", "Demo"])
    await scene.live("worker", "one")
    await mark(desk, needed={0: 100})
    await begin(scene, "day", TODAY, TODAY + DAY, [(3, 2)], after=0)
    await scene.work()
    return url()


@STATES.state("A calm funnel: no alert is on; the open day lies within what is expected at its age")
async def funnel_calm(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url()


@STATES.state(
    "Conversion is dropping: the alert with the rate, the expected rate and the time since", in_full=True
)
async def funnel_dropping(scene: Scene) -> str:
    await history(scene)
    await judged(scene, rate=0.449)
    await scene.desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY, rate=38 / 160)
    return url()


@STATES.state("In doubt: the numbers are live, and every result is an estimate")
async def funnel_in_doubt(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    await doubt(scene.desk, "slot", "the replication slot was moved")
    await scene.desk.connection.execute(
        "update funnelproof.prover set completeness = 'estimated', reasons = '{the replication slot was moved}'"
    )
    return url()


@STATES.state("Late: a partition was last flushed 41 seconds ago")
async def funnel_late(scene: Scene) -> str:
    await history(scene, works=0)
    await judged(scene)
    await scene.desk.flush(age=41, proof_age=41)
    return url()


@STATES.state("Not live: the page's server gives no answer", leaves=True)
async def funnel_not_live(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url()


@STATES.state("Loading: a worker reads the log for the first time")
async def funnel_loading(scene: Scene) -> str:
    scene.desk.partitions = 4
    await install(scene)
    await begin(scene, "day", TODAY, TODAY + DAY, funnel(40, YOUNG))
    return url()


@STATES.state("Learning: the baseline needs more windows, and the trend begins with the second window")
async def funnel_learning(scene: Scene) -> str:
    await history(scene, days=1)
    await judged(scene, 1, learned=False)
    return url()


@STATES.state("Too few to tell: the interval is too wide for a verdict")
async def funnel_too_few(scene: Scene) -> str:
    await history(scene, today=[(14, 3), (3, 1), (1, 0)])
    await judged(scene)
    return url()


@STATES.state("Not judged: no rule of alerts looks at such windows")
async def funnel_not_judged(scene: Scene) -> str:
    await history(scene)
    return url()


@STATES.state("A closed window that was revised: proven, with the change against the window before")
async def funnel_closed(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url(at=(TODAY - 5 * DAY).isoformat())


@STATES.state("A pipeline with a single stage has no pair")
async def funnel_without_pairs(scene: Scene) -> str:
    await install(scene)
    await begin(scene, "day", TODAY, TODAY + DAY, funnel(10, YOUNG))
    await scene.desk.connection.execute("delete from funnelproof.pipeline_stage where display_order > 0")
    return url()
