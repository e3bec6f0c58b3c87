"""The demo in the terminal: a live view, and the same as plain text for pipes and logs.

Everything that came from telemetry is shown as data: control characters are written out, and nothing in it is markup.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vedette.cli.client import inert
from vedette.cli.query_traces import tree_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from rich.console import Console, RenderableType

    from vedette.demo.view.reading import ErrorLine, Reading, ServiceFigures

__all__ = ["LiveView", "PlainView", "Situation", "View", "farewell"]

_PLAIN_EVERY_SECONDS = 10.0
_PLAIN_SPANS = 12
_SMALLEST_TRACE = 3
_MANY_ERRORS = 0.05

_EXAMPLE_SQL = "SELECT service, count() FROM spans GROUP BY service"
_INCIDENTS = {
    "provider_slow": "the payment provider is slow",
    "provider_down": "the payment provider is failing",
    "cache_lost": "catalog has lost its cache",
    "n_plus_one": "orders reads line by line (N+1)",
    "worker_stuck": "the worker is stuck, the queue grows",
}
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")


@dataclass(frozen=True)
class Situation:
    """What the director knows and telemetry only shows the effects of."""

    seconds_open: float
    demand: float
    incidents: frozenset[str]
    versions: dict[str, str]
    gateway_url: str


class View(Protocol):
    """Somewhere to show readings."""

    def show(self, reading: Reading, situation: Situation) -> None:
        """Show the newest reading."""


class LiveView:
    """The whole terminal, redrawn with every reading."""

    def __init__(self, console: Console, url: str) -> None:
        self._console = console
        self._url = url
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def show(self, reading: Reading, situation: Situation) -> None:
        """Draw everything anew."""
        self._live.update(picture(reading, situation, self._url, self._console.height), refresh=True)


class PlainView:
    """Compact text: as soon as there is something to tell, then every ten seconds."""

    def __init__(self, console: Console, url: str) -> None:
        self._console = console
        self._url = url
        self._next = 0.0
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, reading: Reading, situation: Situation) -> None:
        """Print a snapshot when one is due."""
        now = time.monotonic()
        if now < self._next or not (reading.services or reading.trouble):
            return
        self._next = now + _PLAIN_EVERY_SECONDS
        text = snapshot(reading, situation)
        if not self._told:
            self._told = True
            text += "\n" + "\n".join(commands(self._url, reading.trace))
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def commands(url: str, trace: Mapping[str, Any] | None = None) -> list[str]:
    """What to type next; `trace` is the one on show."""
    other = "" if url.endswith("//127.0.0.1:7070") else f" --url {url}"
    return [
        f"vedette query logs 'severity:error'{other}",
        f"vedette tail{other}",
        f"vedette query traces --service orders{other}",
        f"vedette query alerts{other}",
        *([f"vedette query traces {inert(str(trace['trace_id']))}{other}"] if trace is not None else []),
        f"curl '{url}/api/v1/services?from=15m'",
        f"curl -d '{_EXAMPLE_SQL}' '{url}/api/v1/sql?format=PrettyCompact'",
    ]


def farewell(url: str, data_dir: Path | None) -> str:
    """What is said when everything has stopped."""
    if data_dir is None:
        return "\n".join(["The shop has closed. Its telemetry stays in the platform:", *commands(url)])
    return f"The shop has closed. Its telemetry stays in {data_dir}: vedette serve --data-dir {data_dir}"


def picture(reading: Reading, situation: Situation, url: str, height: int) -> RenderableType:
    """The live view for a terminal with `height` lines."""
    services = _services_table(reading.services, situation)
    further = commands(url, reading.trace)
    hints = Text("\n".join(f"  {line}" for line in further), style="dim", no_wrap=True, overflow="ellipsis")
    # Headline, column titles, the borders of three panels, one line to spare.
    left = height - 11 - max(len(reading.services), 1) - len(further)
    errors = max(min(len(reading.errors), left // 4), 1)
    spans = max(left - errors, _SMALLEST_TRACE)
    return Group(
        _headline(reading, situation),
        Panel(services, title="services, last 5 minutes", title_align="left", border_style="dim"),
        Panel(_errors_text(reading.errors[:errors]), title="newest errors", title_align="left", border_style="dim"),
        _trace_panel(reading.trace, spans),
        Text("Go on with (Ctrl-C stops):", style="bold"),
        hints,
    )


def snapshot(reading: Reading, situation: Situation) -> str:
    """The same as lines of plain text."""
    lines = [_headline(reading, situation).plain]
    lines.append(f"{'service':<12}{'version':<10}{'rate/s':>8}{'errors':>9}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for row in reading.services:
        version = situation.versions.get(row.service, "")
        percentiles = "".join(f"{_milliseconds(value):>10}" for value in (row.p50_ms, row.p95_ms, row.p99_ms))
        lines.append(f"{inert(row.service):<12}{version:<10}{row.rate:>8.2f}{row.error_share:>9.1%}{percentiles}")
    lines += [_error_text(error).plain for error in reading.errors[:3]]
    if reading.trace is not None:
        lines.append(_trace_title(reading.trace))
        lines += [line.plain for line in _trace_lines(reading.trace, _PLAIN_SPANS)]
    return "\n".join(lines) + "\n"


def _headline(reading: Reading, situation: Situation) -> Text:
    minutes, seconds = divmod(int(situation.seconds_open), 60)
    text = Text.assemble(
        ("vedette demo", "bold"),
        f"   shop {situation.gateway_url} open for {minutes}:{seconds:02d}   demand {situation.demand:.0%} of the mean",
        no_wrap=True,
        overflow="ellipsis",
    )
    if reading.trouble is not None:
        return text.append(f"\n{inert(reading.trouble)}", style="red")
    happening = ", ".join(_INCIDENTS[name] for name in sorted(situation.incidents))
    return text.append(f"\nnow: {happening or 'nothing unusual'}", style="bold yellow" if happening else "dim")


def _services_table(services: Sequence[ServiceFigures], situation: Situation) -> RenderableType:
    if not services:
        return Text("waiting for the first spans …", style="dim")
    table = Table(box=None, pad_edge=False, expand=True)
    for title in ("service", "version"):
        table.add_column(title)
    for title in ("rate/s", "errors", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(title, justify="right")
    for row in services:
        style = "red" if row.error_share >= _MANY_ERRORS else ""
        table.add_row(
            Text(inert(row.service), style=_colour(row.service)),
            situation.versions.get(row.service, ""),
            f"{row.rate:.2f}",
            Text(f"{row.error_share:.1%}", style=style),
            *(_milliseconds(value) for value in (row.p50_ms, row.p95_ms, row.p99_ms)),
        )
    return table


def _errors_text(errors: Sequence[ErrorLine]) -> Text:
    if not errors:
        return Text("none in the last 5 minutes", style="dim")
    return Text("\n", no_wrap=True, overflow="ellipsis").join(_error_text(error) for error in errors)


def _error_text(error: ErrorLine) -> Text:
    clock = error.time.partition("T")[2][:8]
    return Text.assemble(
        (clock, "dim"),
        " ",
        (f"{error.severity.upper():<5}", "bold red"),
        " ",
        (f"{inert(error.service):<9}", _colour(error.service)),
        " ",
        inert(error.text),
        ("  " + error.trace_id[:8], "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _trace_panel(trace: Mapping[str, Any] | None, most: int) -> Panel:
    if trace is None:
        return Panel(Text("waiting for the first trace …", style="dim"), border_style="dim")
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(_trace_lines(trace, most))
    return Panel(text, title=_trace_title(trace), title_align="left", border_style="dim")


def _trace_title(trace: Mapping[str, Any]) -> str:
    return f"trace {inert(str(trace['trace_id']))}"


def _trace_lines(trace: Mapping[str, Any], most: int) -> list[Text]:
    """`most` lines at most; the last one counts the spans that found no place."""
    spans = len(trace["spans"])
    lines = list(islice(tree_lines(trace, limit=spans), most if spans <= most else most - 1))
    return lines if len(lines) == spans else [*lines, Text(f"… {spans - len(lines)} more spans", style="dim")]


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - three digits are enough


def _colour(service: str) -> str:
    return _COLOURS[sum(service.encode()) % len(_COLOURS)]
