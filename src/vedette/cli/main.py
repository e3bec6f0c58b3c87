"""The command line's root: which commands there are."""

from __future__ import annotations

import sys

import typer

from vedette.cli import (
    backup,
    check,
    demo,
    doctor,
    key,
    level,
    query_alerts,
    query_logs,
    query_promql,
    query_sql,
    query_traces,
    rules,
    run,
    serve,
    tail,
    test_rules,
)
from vedette.errors import VedetteError
from vedette.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="vedette",
    help="Observability for Python services and AI agents: logs, traces, metrics, audit, alerts, in one package.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve", context_settings={"ignore_unknown_options": False})(serve.serve)
app.command("demo")(demo.demo)
query = typer.Typer(help="Ask for traces, logs, metrics by PromQL, or anything by SQL.", no_args_is_help=True)
query.command("traces")(query_traces.traces)
query.command("logs")(query_logs.logs)
query.command("promql")(query_promql.promql)
query.command("alerts")(query_alerts.alerts)
query.command("sql")(query_sql.sql)
app.add_typer(query, name="query")
app.command("tail")(tail.tail)
# What follows the program is its own, options as well.
app.command("run", context_settings={"allow_interspersed_args": False})(run.run)
app.add_typer(check.app, name="check")
app.add_typer(test_rules.app, name="test")
app.add_typer(rules.app, name="rules")
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(key.app, name="key")
app.add_typer(level.app, name="level")


@app.callback(invoke_without_command=True)
def root(*, version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    """Handle what stands before a command."""
    if version:
        typer.echo(f"vedette {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error that a person can act on is one sentence, not a trace."""
    try:
        app()
    except VedetteError as error:
        typer.echo(f"vedette: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
