"""``vedette key``: make, list and revoke API keys, in the control database itself.

The commands need no running server and no key: whoever may read the control database's file, or log in to it, is its
administrator. A running server notices a change within about a second.
"""

from __future__ import annotations

import difflib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.cli.client import inert, reporting
from vedette.errors import InvalidInput
from vedette.server.control.keys import SCOPES
from vedette.server.control.tenants import DEFAULT_TENANT
from vedette.server.settings import load_settings, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.control.store import ApiKey, Control

__all__ = ["app"]

app = typer.Typer(name="key", help="Make, list and revoke API keys.", no_args_is_help=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", envvar="VEDETTE_DATA_DIR", help="Data directory of the server.")
]
ControlUrl = Annotated[
    str | None,
    typer.Option(
        "--control-url",
        envvar="VEDETTE_CONTROL_URL",
        help="Database of the control state, when it is not in the data directory.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_AGO_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; shown in lists.")] = "",
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do: ingest, read or admin (which includes both). Repeat for several.",
            show_default="ingest",
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option(help="Tenant that it may act for. Repeat for several.", show_default=DEFAULT_TENANT),
    ] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="It may act for every tenant.")] = False,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="How long it is accepted, for example 12h, 90d or 52w.",
            show_default="never expires",
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    control_url: ControlUrl = None,
) -> None:
    """Make a key and print it, once.

    Standard output carries only the key, so that a script can take it: KEY=$(vedette key create ci).
    """
    with reporting():
        scopes = _scopes(scope or ["ingest"])
        if all_tenants and tenant:
            raise InvalidInput("Give either --tenant or --all-tenants, not both.")
        lifetime = _lifetime(expires)
        with _open(data_dir, control_url) as control:
            new = control.create_key(
                name=name,
                scopes=scopes,
                tenants=tenant or [DEFAULT_TENANT],
                all_tenants=all_tenants,
                expires_in=lifetime,
            )
        if as_json:
            typer.echo(json.dumps({**_document(new.key), "key": new.secret}, indent=2))
            return
        typer.echo(
            f"Made {new.key.prefix} (scopes: {_scope_list(new.key)}; tenants: {_tenants(new.key)}; "
            f"expires: {_day(new.key.expires)}). Keep the key now, it is not shown again:",
            err=True,
        )
        typer.echo(new.secret)


@app.command("list")
def list_(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Show revoked keys too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    control_url: ControlUrl = None,
) -> None:
    """List the keys, without their secrets."""
    with reporting():
        with _open(data_dir, control_url) as control:
            keys = [key for key in control.list_keys() if all_ or key.revoked is None]
        if as_json:
            typer.echo(json.dumps([_document(key) for key in keys], indent=2))
        elif keys:
            _print_table(keys)
        else:
            typer.echo("There are no keys. Make one with `vedette key create`.", err=True)


@app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Id, prefix (vdt_…) or whole key.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    control_url: ControlUrl = None,
) -> None:
    """Revoke keys for good. A running server refuses them within about a second."""
    with reporting(), _open(data_dir, control_url) as control:
        admin_existed = control.admin_exists()
        revoked = [control.revoke_key(key) for key in keys]
        if as_json:
            typer.echo(json.dumps([_document(key) for key in revoked], indent=2))
        else:
            for key in revoked:
                typer.echo(f"{key.prefix} {inert(key.name)} is revoked.".replace("  ", " "))
        if admin_existed and not control.admin_exists():
            typer.echo(
                "That was the last admin key: a server that only this machine can reach now answers without a key "
                "(unless auth is set to required).",
                err=True,
            )


def _open(data_dir: Path | None, control_url: str | None) -> Control:
    from vedette.server.control.store import open_control  # noqa: PLC0415 - SQLAlchemy, which other commands need not load

    flags = {"data_dir": str(data_dir) if data_dir else None, "control_url": control_url}
    settings = load_settings({name: value for name, value in flags.items() if value is not None})
    return open_control(settings.control_database)


def _scopes(given: Iterable[str]) -> list[str]:
    """Split `ingest,read` and say which scope was probably meant by an unknown one."""
    scopes = [scope.strip().lower() for item in given for scope in item.split(",")]
    for scope in scopes:
        if scope not in SCOPES:
            near = difflib.get_close_matches(scope, SCOPES, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"the scopes are {', '.join(SCOPES)}."
            raise InvalidInput(f"There is no scope {scope[:40]!r}; {hint}")
    return scopes


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise InvalidInput(f"--expires {text[:40]!r} is not a duration; write for example 12h, 90d or 52w.") from None


def _document(key: ApiKey) -> dict[str, Any]:
    def instant(when: datetime | None) -> str | None:
        return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else None

    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "scopes": [scope for scope in SCOPES if scope in key.scopes],
        "tenants": list(key.tenants),
        "all_tenants": key.all_tenants,
        "state": key.state(datetime.now(UTC)),
        "created": instant(key.created),
        "expires": instant(key.expires),
        "revoked": instant(key.revoked),
        "last_used": instant(key.last_used),
    }


def _print_table(keys: Iterable[ApiKey]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("KEY", "NAME", "SCOPES", "TENANTS", "STATE", "LAST USED"):
        # What one copies or compares is never broken across lines.
        table.add_column(heading, no_wrap=heading not in {"NAME", "TENANTS"}, overflow="fold")
    now = datetime.now(UTC)
    for key in keys:
        table.add_row(
            Text(key.prefix),
            Text(inert(key.name)),
            Text(_scope_list(key)),
            Text(_tenants(key)),
            _state(key, now),
            Text(_ago(key.last_used, now)),
        )
    Console().print(table)


def _state(key: ApiKey, now: datetime) -> Text:
    match key.state(now):
        case "revoked":
            return Text(f"revoked {_day(key.revoked)}", style="red")
        case "expired":
            return Text(f"expired {_day(key.expires)}", style="yellow")
        case _:
            return Text(f"until {_day(key.expires)}" if key.expires else "active", style="green")


def _scope_list(key: ApiKey) -> str:
    return ", ".join(scope for scope in SCOPES if scope in key.scopes)


def _tenants(key: ApiKey) -> str:
    return "all" if key.all_tenants else ", ".join(key.tenants)


def _day(when: datetime | None) -> str:
    return when.date().isoformat() if when else "never"


def _ago(when: datetime | None, now: datetime) -> str:
    if when is None:
        return "never"
    seconds = int((now - when).total_seconds())
    for unit, length in _AGO_UNITS:
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return "just now"
