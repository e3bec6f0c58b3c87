"""``vedette query traces``: search for traces, or show one as a tree, by the server's HTTP API."""

from __future__ import annotations

import codecs
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, Tenant, inert, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["traces", "tree_lines"]

_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What JSON itself leaves unescaped: DEL, the C1 controls, characters that turn the direction of text.
_UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_BAR_CELLS: Final = 20
_MAX_DEPTH: Final = 20
_SHOWN_TRACES: Final = 20
_SHOWN_SPANS: Final = 1_000
_COLOURS: Final = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_UNITS: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


@dataclass(frozen=True, slots=True)
class _Node:
    """One line of the tree: a span and the guides that stand before it."""

    span: Mapping[str, Any]
    guides: str


def traces(
    query: Annotated[
        str,
        typer.Argument(
            help="A trace id, or what to look for: service:checkout duration:>100ms http.route:/cart/* -status:ok",
            show_default=False,
        ),
    ] = "",
    *,
    service: Annotated[str, typer.Option(help="Only traces with a matching span of this service.")] = "",
    since: Annotated[str, typer.Option(help="How far back, or from when: 15m, now-1d/d, 2026-07-01T12:00:00Z.")] = "1h",
    until: Annotated[str, typer.Option(help="Until when.", show_default="now")] = "",
    slowest: Annotated[bool, typer.Option("--slowest", help="Slowest first instead of newest first.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Traces, or spans of one trace, at most.", show_default="20; 1000 spans")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The server's answer as it is.")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """Search for traces, or show one as a tree."""
    with reporting():
        client = Client(url, api_key, tenant=tenant)
        if _TRACE_ID.fullmatch(query.strip()):
            _show_trace(client, query.strip(), limit or _SHOWN_SPANS, as_json=as_json)
            return
        asked = {
            "q": query,
            "service": service,
            "from": since,
            "to": until,
            "order": "slowest" if slowest else "newest",
            "limit": limit or _SHOWN_TRACES,
        }
        if as_json:
            _copy(client, "/api/v1/traces", asked)
            return
        _show_list(client.json("/api/v1/traces", asked))


def tree_lines(trace: Mapping[str, Any], *, limit: int, ascii_only: bool = False) -> Iterator[Text]:
    """A trace's document as lines of text: when each span ran, for how long, where it belongs, what it was.

    A span whose parent is not there stands at the left like a root. Parents that run in a circle are cut open where
    the earliest of them starts.
    """
    start, duration = int(trace["start_time_unix_nano"]), int(trace["duration_ns"])
    for shown, node in enumerate(_nodes(trace["spans"], ascii_only=ascii_only)):
        if shown == limit:
            yield Text(f"… and {len(trace['spans']) - shown} more spans; ask for more with --limit.", style="dim")
            return
        yield _line(node, start, duration, ascii_only=ascii_only)


def _show_trace(client: Client, trace_id: str, limit: int, *, as_json: bool) -> None:
    path = f"/api/v1/traces/{trace_id}"
    if as_json:
        _copy(client, path, {})
        return
    trace = client.json(path)
    console = _console()
    headline = Text.assemble(
        ("trace ", "dim"),
        (inert(str(trace["trace_id"])), "bold"),
        f"  {inert(str(trace['start_time']))}  {_duration(int(trace['duration_ns']))}  ",
        f"{trace['span_count']} spans, {len(trace['services'])} services  ",
        (f"{trace['error_count']} errors", "bold red" if trace["error_count"] else "dim"),
    )
    _print(console, headline)
    for line in tree_lines(trace, limit=limit, ascii_only=console.options.ascii_only):
        _print(console, line)


def _show_list(page: Mapping[str, Any]) -> None:
    console = _console()
    if not page["traces"]:
        console.print("No trace matches. Look further back with --since.", style="dim")
        return
    for trace in page["traces"]:
        errors = int(trace["error_count"])
        root = str(trace["root_service"])
        start = inert(str(trace["start_time"]))[: len("2026-07-01T12:00:00.123")].replace("T", " ")
        headline = Text.assemble(
            (start, "dim"),
            f"  {_duration(int(trace['duration_ns'])):>9}  ",
            (inert(root), _colour(root)),
            f" {inert(str(trace['root_name']))}",
        )
        # The id on a line of its own is whole in a terminal of any width.
        details = Text.assemble(
            f"    {inert(str(trace['trace_id']))}  ",
            (f"{trace['span_count']} spans  ", "dim"),
            (f"{errors} errors  ", "bold red" if errors else "dim"),
            (inert(", ".join(str(name) for name in trace["services"])), "dim"),
        )
        _print(console, headline)
        _print(console, details)
    if page["next_cursor"]:
        _print(console, Text("There are more; ask for them with --limit, or look at one with its id.", style="dim"))


def _nodes(spans: Sequence[Mapping[str, Any]], *, ascii_only: bool) -> Iterator[_Node]:
    """All spans, depth first, each once whatever their parents say."""
    ordered = sorted(spans, key=lambda span: int(span["start_time_unix_nano"]))
    known = {span["span_id"] for span in ordered}
    children: dict[str | None, list[int]] = defaultdict(list)
    for index, span in enumerate(ordered):
        parent = span["parent_span_id"]
        children[parent if parent in known and parent != span["span_id"] else None].append(index)
    branch, last, through, blank = ("|- ", "`- ", "|  ", "   ") if ascii_only else ("├─ ", "└─ ", "│  ", "   ")
    seen: set[int] = set()
    # Spans that no root leads to, because their parents run in a circle, follow in the order of their start.
    for root in [*children[None], *range(len(ordered))]:
        waiting = [(root, "", "", 0)]
        while waiting:
            index, before, own, depth = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            span = ordered[index]
            yield _Node(span, before + own if depth <= _MAX_DEPTH else f"({depth}) {own}")
            # Past the greatest depth shown the guides stop growing: a trace may be as deep as it is long.
            inner = before + {"": "", branch: through, last: blank}[own] if depth < _MAX_DEPTH else before
            below = [child for child in children[span["span_id"]] if child not in seen]
            waiting += [(child, inner, last if child == below[-1] else branch, depth + 1) for child in reversed(below)]


def _line(node: _Node, trace_start: int, trace_duration: int, *, ascii_only: bool) -> Text:
    span = node.span
    failed = span["status"] == "error"
    offset, duration = int(span["start_time_unix_nano"]) - trace_start, int(span["duration_ns"])
    service = str(span["service"])
    text = Text.assemble(
        (_bar(offset, duration, trace_duration, ascii_only=ascii_only), "red" if failed else _colour(service)),
        (f" {_duration(duration):>9} ", ""),
        (node.guides, "dim"),
        (inert(service), _colour(service)),
        " ",
        (inert(str(span["name"])), "bold red" if failed else ""),
        (f" {inert(str(span['kind']))}" if span["kind"] not in {"internal", "unspecified"} else "", "dim"),
    )
    if failed:
        message = inert(str(span["status_message"]))
        text.append(f" error{': ' if message else ''}{message}", style="red")
    return text


def _bar(offset: int, duration: int, whole: int, *, ascii_only: bool) -> str:
    """The part of the trace's time that a span took, as a bar of fixed width."""
    if whole <= 0:
        first, cells = 0, _BAR_CELLS
    else:
        first = min(_BAR_CELLS - 1, max(0, offset * _BAR_CELLS // whole))
        cells = min(_BAR_CELLS - first, max(1, round(duration * _BAR_CELLS / whole)))
    filled, empty = ("#", ".") if ascii_only else ("█", "·")
    return empty * first + filled * cells + empty * (_BAR_CELLS - first - cells)


def _duration(nanoseconds: int) -> str:
    for size, unit in _UNITS:
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds} ns"


def _colour(service: str) -> str:
    return _COLOURS[sum(service.encode("utf-8", "replace")) % len(_COLOURS)]


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _print(console: Console, line: Text) -> None:
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis")
    else:
        # A pipe has no width: nothing is cut for the program that reads it.
        console.print(line, soft_wrap=True)


def _copy(client: Client, path: str, params: Mapping[str, object]) -> None:
    """The server's JSON, with the characters that a terminal obeys written as JSON's escapes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in client.chunks(path, params):
        sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", decoder.decode(chunk)))
    sys.stdout.write("\n")
    sys.stdout.flush()
