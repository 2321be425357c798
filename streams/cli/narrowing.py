"""The options by which commands are narrowed to a tenant, a pipeline or a kind of window, each with its completion."""

from typing import Annotated
from uuid import UUID

import typer

from streams.cli.completing import pipeline_ids, tenant_ids, windows

OnlyTenant = Annotated[UUID | None, typer.Option(help="Only this tenant.", autocompletion=tenant_ids)]
OnlyPipeline = Annotated[UUID | None, typer.Option(help="Only this pipeline.", autocompletion=pipeline_ids)]
OnlyWindow = Annotated[
    str | None, typer.Option(help="Only this window kind, as hour or 15s.", autocompletion=windows)
]
