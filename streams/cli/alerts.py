"""`funnelproof alerts`: the rules of alerts.

Importing the detector, with numpy, takes as long as everything else together. A command imports the detector when the
command is called, so that no other command waits for the import.
"""

from datetime import UTC, datetime

import typer

from streams.cli import alert_list, alert_simulation, alert_trial
from streams.cli.ending import until_told_to_end
from streams.cli.output import AsJson, print_json
from streams.cli.progress import run_telling
from streams.cli.web_site import WebHost, WebPort
from streams.listening import HOST, listen
from streams.logs import configure_logging
from streams.settings import load_settings

app = typer.Typer(help="The rules of alerts.", no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Take the name of a command."""


app.command("list")(alert_list.list_alerts)
app.command()(alert_list.silence)
app.command("test")(alert_trial.send_test)
app.command()(alert_simulation.simulate)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Check the rule file, and show what each rule covers, and the smallest drop that each rule sees.

    The smallest drop is that which an alert finds within 1, 7 and 30 windows on average, at the traffic of the stored
    runs. Mistakes of the file are all named, with line and column (exit status 2). Exit status 1 when a rule names a
    tenant, pipeline, pair or stage that is not there, or can never fire.

    Example: `funnelproof alerts check`
    """
    from streams.alerts.checking import check_rules  # noqa: PLC0415 - see the module
    from streams.cli.alert_check import checked_as_json, show_checked  # noqa: PLC0415 - see the module

    settings = load_settings()
    found = run_telling("learns from the stored runs", check_rules(settings, datetime.now(UTC)))
    if as_json:
        print_json({"file": settings.alert_rules, **checked_as_json(found)})
    else:
        show_checked(found)
    raise typer.Exit(0 if found.is_sound else 1)


@app.command()
def run(
    web_port: WebPort = 0,
    web_host: WebHost = HOST,
) -> None:
    """Evaluate the rules, and deliver alerts, until SIGTERM or SIGINT.

    One process evaluates at a time; further processes stand by, and one of them takes over when the first ends.

    Example: `funnelproof alerts run --web-port 9465`
    """
    from streams.alerts.service import run_alerts  # noqa: PLC0415 - see the module
    from streams.operations.alert_metrics import AlertMetrics  # noqa: PLC0415 - see the module
    from streams.operations.alert_site import serve  # noqa: PLC0415 - see the module

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    metrics = AlertMetrics()
    with listen(web_host, web_port) as listening:
        until_told_to_end(
            run_alerts(settings, metrics.count_look, lambda service: serve(listening, service, metrics))
        )
