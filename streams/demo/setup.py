"""From three empty servers to a schema and a connector that follows the CRM."""

from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from streams.demo.business import PIPELINES
from streams.demo.mishaps import LENGTH
from streams.operations.capture import apply_connector
from streams.settings import PREFIX, Settings
from streams.store.database import facts_connection, source_connection
from streams.store.installation import install

WINDOWS = f"{LENGTH:g}s,1m"


class _DemoSettings(Settings):
    """Settings from the demo alone: the user's variables and file concern another installation."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def demo_variables(stack: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables that configure the demo's worker: the stack's addresses, short windows, quick revisions."""
    return {
        **stack,
        f"{PREFIX}WINDOWS": WINDOWS,
        f"{PREFIX}REVISION_DEBOUNCE": "2s",
        f"{PREFIX}STATE_DIR": str(folder / "worker"),
        f"{PREFIX}LABELS_SQL": _labels_sql(),
        f"{PREFIX}ALERT_RULES": str(folder / "alert-rules.toml"),
    }


def _labels_sql() -> str:
    """Return the query for the names of tenants and pipelines; the demo's CRM keeps the names of stages alone."""
    names = {("tenant", each.tenant_id): each.tenant for each in PIPELINES}
    names |= {("pipeline", each.id): each.name for each in PIPELINES}
    rows = ", ".join(f"('{kind}', '{known}'::uuid, '{name}')" for (kind, known), name in names.items())
    return f"select kind, id, name from (values {rows}) as label (kind, id, name)"  # noqa: S608 - constants


def demo_settings(variables: Mapping[str, str]) -> Settings:
    """Return the variables of the demo as settings."""
    values = {name.removeprefix(PREFIX).lower(): value for name, value in variables.items()}
    return _DemoSettings(**values)  # type: ignore[arg-type]  # pydantic checks them


async def set_up(settings: Settings) -> None:
    """Migrate, and make the topics and the connector; safe to repeat."""
    async with source_connection(settings) as source, facts_connection(settings) as facts:
        await install(source, facts, settings.instance)
    await apply_connector(settings)
