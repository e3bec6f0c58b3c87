"""``vedette query promql``: ask in PromQL by the server's HTTP API."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, RequestFailed, ServerUrl, Tenant, inert, reporting

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ask", "moment_of", "promql", "seconds_of"]

_BARS = "▁▂▃▄▅▆▇█"
_PATH = "/prometheus/api/v1"
_STEPS = 60
_LEAST_NAME = 20
_BAD_REQUEST = 400
_MOST_BARS = 24


def promql(
    expression: Annotated[str, typer.Argument(help="An expression of PromQL.", show_default=False)],
    *,
    since: Annotated[
        str,
        typer.Option("--since", help="A range: over this long, such as 1h.", show_default=False),
    ] = "",
    step: Annotated[str, typer.Option("--step", help="Resolution of a range.", show_default="a 60th of it")] = "",
    at: Annotated[str, typer.Option("--time", help="The moment, or a range's end.", show_default="now")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The answer as the API gives it.")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """Ask in PromQL: a table, with a sparkline for each series of a range."""
    with reporting():
        client = Client(url, api_key, tenant=tenant)
        end = at or f"{time.time():.3f}"
        if since:
            seconds = seconds_of(client, since, "--since")
            moment = moment_of(client, end, "--time")
            times = {"start": moment - seconds, "end": moment, "step": step or max(seconds / _STEPS, 0.001)}
            document = ask(client, "query_range", {"query": expression, **times})
        else:
            document = ask(client, "query", {"query": expression, "time": end})
        if as_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=not sys.stdout.isatty()) + "\n")
            return
        _show(document)


def ask(client: Client, path: str, form: Mapping[str, object]) -> Any:  # noqa: ANN401 - Prometheus' document
    """What a path of Prometheus' API answers to a form."""
    body = urlencode({name: str(value) for name, value in form.items()}).encode()
    return client.json(f"{_PATH}/{path}", method="POST", body=body, content_type="application/x-www-form-urlencoded")


def seconds_of(client: Client, duration: str, option: str) -> float:
    """The duration that an option has, in seconds, as the server understands it."""
    return _understood(
        client, f"scalar(vector({duration}))", {}, f"{option} {duration!r} is not a duration such as 15m"
    )


def moment_of(client: Client, text: str, option: str) -> float:
    """The time that an option has, in seconds, as the server understands it."""
    told = f"{option} {text!r} is not a time such as 2026-07-01T12:00:00Z, or seconds since 1970"
    return _understood(client, "time()", {"time": text}, told)


def _understood(client: Client, query: str, form: Mapping[str, object], told: str) -> float:
    try:
        result = ask(client, "query", {"query": query, **form})["data"]["result"][1]
    except RequestFailed as error:
        if error.status == _BAD_REQUEST:
            raise RequestFailed(f"{told}.", status=_BAD_REQUEST) from error
        raise
    seconds = float(result)
    if not form and not 0 < seconds < math.inf:
        raise RequestFailed(f"{told}.", status=_BAD_REQUEST)
    return seconds


def _show(document: Mapping[str, Any]) -> None:
    data = document["data"]
    kind, result = data["resultType"], data["result"]
    console = Console(highlight=False, markup=False, emoji=False)
    if kind in {"scalar", "string"}:
        console.print(Text(inert(result[1])))
    else:
        table = Table(highlight=False)
        table.add_column("series", overflow="fold", min_width=_LEAST_NAME)
        for name in ("value",) if kind == "vector" else ("last", "min", "max", ""):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        for one in result:
            table.add_row(Text(inert(_name(one["metric"]))), *(_vector(one) if kind == "vector" else _matrix(one)))
        console.print(table)
        console.print(Text(f"{len(result)} series", style="dim"))
    for kind_of_note in ("warnings", "infos"):
        for note in document.get(kind_of_note, []):
            typer.echo(inert(note), err=True)


def _name(metric: Mapping[str, str]) -> str:
    name = metric.get("__name__", "")
    labels = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in metric.items() if key != "__name__"
    )
    return f"{name}{{{labels}}}" if labels or not name else name


def _vector(one: Mapping[str, Any]) -> tuple[str, ...]:
    if "value" in one:
        return (inert(one["value"][1]),)
    histogram = one["histogram"][1]
    return (f"histogram of {histogram['count']}, sum {histogram['sum']}",)


def _matrix(one: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [text for _, text in one.get("values", [])]
    numbers = [float(text) for text in texts]
    finite = [number for number in numbers if abs(number) != float("inf") and number == number]  # noqa: PLR0124 - NaN
    if not finite:
        return (inert(texts[-1]) if texts else "histograms", "", "", "")
    return inert(texts[-1]), f"{min(finite):g}", f"{max(finite):g}", _sparkline(finite)


def _sparkline(numbers: list[float]) -> str:
    if len(numbers) > _MOST_BARS:  # the highest of each stretch: a peak must be seen
        edges = [round(i * len(numbers) / _MOST_BARS) for i in range(_MOST_BARS + 1)]
        numbers = [max(numbers[low:high]) for low, high in itertools.pairwise(edges)]
    low, high = min(numbers), max(numbers)
    if high == low:
        return _BARS[0] * len(numbers)
    return "".join(_BARS[int((number - low) / (high - low) * (len(_BARS) - 1))] for number in numbers)
