"""`vedette demo`: the platform, the shop and the view of both, from start to end."""

from __future__ import annotations

import math
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rich.console import Console

from vedette.cli.client import Client
from vedette.demo.backend import Addresses, Backend
from vedette.demo.director import Director, Plan
from vedette.demo.view.reading import Reading, read
from vedette.demo.view.screen import LiveView, PlainView, Situation, View, farewell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Demo", "run_demo"]

_TICK_SECONDS = 1.0
_READ_EVERY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo is asked for. `data_dir` is None when a running platform is to be used."""

    data_dir: Path | None
    addresses: Addresses = field(default_factory=Addresses)
    api_key: str = ""
    rate: float = 3.0
    seed: int = 4
    day_seconds: float = 600.0
    duration_seconds: float | None = None
    plain: bool = False


@dataclass(frozen=True)
class _Running:
    """What is up while the demo runs."""

    client: Client
    backend: Backend
    director: Director
    view: View


def run_demo(demo: Demo) -> None:
    """Run until the duration is over, or SIGINT or SIGTERM arrives; then stop everything in order.

    Raises:
        StartError: the platform or the shop cannot start, or has ended.
    """
    console = Console()
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_on_signals())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vedette-shop-")))
        client = Client(demo.addresses.url, demo.api_key, timeout_seconds=10.0)
        backend = Backend(demo.addresses, client, demo.data_dir)
        stack.callback(backend.stop)
        console.print(f"Starting {'the shop' if demo.data_dir is None else 'the platform and the shop'} …")
        backend.start()
        director = Director(_plan(demo), directory, _exporter_environment(demo))
        stack.callback(director.stop)
        director.start()  # its processes load while the engine opens
        backend.wait_until_ready(stopping.is_set)
        if not stopping.is_set():
            director.open()
            with _view(demo, console) as view:
                _watch(_Running(client, backend, director, view), demo.duration_seconds, stopping)
        console.print("Stopping …")
    console.print(farewell(demo.addresses.url, demo.data_dir), markup=False, highlight=False, soft_wrap=True)


def _view(demo: Demo, console: Console) -> LiveView | PlainView:
    plain = demo.plain or not console.is_terminal
    return PlainView(console, demo.addresses.url) if plain else LiveView(console, demo.addresses.url)


def _watch(running: _Running, duration_seconds: float | None, stopping: threading.Event) -> None:
    ends = time.monotonic() + (duration_seconds if duration_seconds is not None else math.inf)
    reading, read_at = Reading(), -math.inf
    while not stopping.is_set() and time.monotonic() < ends:
        running.backend.check()
        running.director.tick()
        if not reading.services or time.monotonic() - read_at >= _READ_EVERY_SECONDS:
            reading, read_at = read(running.client, reading, running.director.opened), time.monotonic()
        running.view.show(reading, _situation(running.director))
        stopping.wait(_TICK_SECONDS)


def _situation(director: Director) -> Situation:
    return Situation(
        seconds_open=director.seconds_open,
        demand=director.demand,
        incidents=director.incidents,
        versions=director.versions,
        gateway_url=director.gateway_url,
    )


def _plan(demo: Demo) -> Plan:
    return Plan(
        seed=demo.seed,
        rate=demo.rate,
        day_seconds=demo.day_seconds,
        otlp_http=f"http://{demo.addresses.otlp_http}",
        otlp_grpc=f"http://{demo.addresses.otlp_grpc}",
    )


def _exporter_environment(demo: Demo) -> dict[str, str]:
    """An API key goes to the exporters by their own variable, so that no command line shows it."""
    if not demo.api_key:
        return {}
    return {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization={quote(f'Bearer {demo.api_key}')}"}


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda _number, _frame: stopping.set()) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
