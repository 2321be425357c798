"""`funnelproof dashboard`, and the tokens that open the page on other machines."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from streams.cli.completing import tenant_ids
from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.cli.progress import run_telling
from streams.cli.web_site import WebHost, WebPort
from streams.domain.duration import parse_duration
from streams.errors import SettingsError
from streams.listening import HOST, address_of, listen
from streams.logs import configure_logging
from streams.settings import Settings, load_settings
from streams.store.database import facts_connection
from streams.web.tokens import Token, add_token, revoke_token, tokens

BACKLOG = 1024
"""Browsers that may wait for a connection: after a restart all of them come back at once."""

app = typer.Typer(invoke_without_command=True)
token_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the tokens that open the page.")
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(help="A name for the person or program, for example sales-ops.")]


@app.callback()
def dashboard(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address of the page; any but a loopback address needs tokens or a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 8800,
    web_port: WebPort = 0,
    web_host: WebHost = HOST,
) -> None:
    """Serve the page and its API until SIGTERM or SIGINT; metrics and health on a port of their own.

    Example: `funnelproof dashboard --port 8800 --web-port 9467`
    """
    if context.invoked_subcommand is not None:
        return
    # Importing FastAPI takes half a second; no other command should wait for the import.
    from streams.operations.dashboard_metrics import DashboardMetrics  # noqa: PLC0415 - see above
    from streams.operations.dashboard_site import serve_dashboard  # noqa: PLC0415 - see above
    from streams.web.opening import gate_for  # noqa: PLC0415 - see above
    from streams.web.server import SiteServer  # noqa: PLC0415 - see above
    from streams.web.site import create_site  # noqa: PLC0415 - see above

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    gate = run_telling("looks for tokens", gate_for(settings, host))
    options = ("--host", "--port")
    metrics = DashboardMetrics()
    site = create_site(settings, gate, metrics)

    async def serve(listening: socket.socket, monitored: socket.socket) -> None:
        async with serve_dashboard(monitored, site, metrics):
            await SiteServer(site).serve(sockets=[listening])

    with (
        listen(host, port, site="the page", options=options, backlog=BACKLOG) as listening,
        listen(web_host, web_port) as monitored,
    ):
        stderr.print(f"the page is at {address_of(listening)}", highlight=False, soft_wrap=True)
        asyncio.run(serve(listening, monitored))


@token_app.command("add")
def add(
    name: Name,
    tenant: Annotated[
        list[UUID] | None,
        typer.Option(
            help="A tenant that the token shows; may be given several times.", autocompletion=tenant_ids
        ),
    ] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="The token shows every tenant.")] = False,
    operations: Annotated[
        bool, typer.Option("--operations", help="The token shows workers, proofs and what waits, too.")
    ] = False,
    deals: Annotated[
        bool, typer.Option("--deals", help="The token shows the deals behind a number, too.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option(help="How long the token opens the page, for example 90d.")
    ] = None,
) -> None:
    """Make a token and print it. The token is shown this once, and kept as a digest only.

    Example: `funnelproof dashboard token add sales-ops --all-tenants --expires 90d`
    """
    if all_tenants == bool(tenant):
        raise SettingsError("give the tenants with --tenant, or --all-tenants")
    if operations and not all_tenants:
        raise SettingsError("--operations tells of every tenant: give --all-tenants with it")
    try:
        lifetime = parse_duration(expires) if expires else None
    except ValueError as error:
        raise SettingsError(f"--expires {error}") from error
    tenants = None if all_tenants else tenant
    may = [word for word, is_given in (("operations", operations), ("deals", deals)) if is_given]

    async def work(settings: Settings) -> str:
        async with facts_connection(settings) as connection:
            return await add_token(connection, name, tenants, may, lifetime)

    print(run_telling("makes the token", work(load_settings())))  # noqa: T201 - rich would wrap the token


@token_app.command("list")
def show(as_json: AsJson = False) -> None:
    """List the tokens, without their texts.

    Example: `funnelproof dashboard token list`
    """

    async def work(settings: Settings) -> Sequence[Token]:
        async with facts_connection(settings) as connection:
            return await tokens(connection)

    found = run_telling("reads the tokens", work(load_settings()))
    if as_json:
        print_json({"tokens": [asdict(each) for each in found]})
        return
    table = Table("name", "tenants", "may", "made", "state")
    for each in found:
        whose = "all" if each.tenants is None else ", ".join(map(str, each.tenants))
        state = "valid" if each.is_valid else "revoked" if each.revoked_at else "expired"
        table.add_row(each.name, whose, ", ".join(each.may), f"{each.created_at:%Y-%m-%d}", state)
    stdout.print(table)


@token_app.command("revoke")
def revoke(name: Name) -> None:
    """Have a token open nothing from now on; open pages of the token end within a minute.

    Example: `funnelproof dashboard token revoke sales-ops`
    """

    async def work(settings: Settings) -> None:
        async with facts_connection(settings) as connection:
            await revoke_token(connection, name)

    run_telling("revokes the token", work(load_settings()))
    stderr.print(f"the token {name} is revoked", highlight=False)
