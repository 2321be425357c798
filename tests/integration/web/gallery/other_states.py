"""Pages that stand for another page."""

from streams.web.gate import TokenGate
from streams.web.tokens import add_token
from tests.integration.web.desk import name
from tests.integration.web.gallery.scene import AWAY, Gallery, Scene, install, url

STATES = Gallery()


@STATES.state("Signing in with a token")
async def sign_in(scene: Scene) -> str:
    await install(scene)
    await add_token(scene.desk.connection, "sales-ops", None, [], None)
    scene.gate = TokenGate()
    return "/"


@STATES.state("A page that does not exist, or is another tenant's")
async def not_found(scene: Scene) -> str:
    await install(scene)
    return url(pipeline=str(name("of another tenant")))


@STATES.state("The report database gives no answer")
async def database_away(scene: Scene) -> str:
    scene.settings["source_dsn"] = AWAY
    return url()
