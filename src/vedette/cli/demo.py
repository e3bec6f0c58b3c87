"""``vedette demo``: a shop that sends real telemetry, the platform that takes it in, and a view of both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli.client import ApiKey
from vedette.errors import StartError

__all__ = ["demo"]

_DATA_DIR = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "vedette-demo"
_SHORTEST_DAY_SECONDS = 30.0


def demo(
    *,
    data_dir: Annotated[Path, typer.Option(help="Where the platform keeps the demo's data.")] = _DATA_DIR,
    rate: Annotated[float, typer.Option(min=0.1, max=200.0, help="Mean requests per second.")] = 3.0,
    duration: Annotated[float | None, typer.Option(min=1.0, help="Seconds to run; without it, until Ctrl-C.")] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Use a platform that runs already.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Print text now and then instead of a live view.")] = False,
    listen: Annotated[str, typer.Option(help="Address of the platform's API.")] = "127.0.0.1:7070",
    otlp_http: Annotated[str, typer.Option(help="Its address for OTLP over HTTP.")] = "127.0.0.1:4318",
    otlp_grpc: Annotated[str, typer.Option(help="Its address for OTLP over gRPC.")] = "127.0.0.1:4317",
    seed: Annotated[int, typer.Option(help="Decides visitors, deployments and incidents.")] = 4,
    day: Annotated[
        float, typer.Option(min=_SHORTEST_DAY_SECONDS, help="Seconds that a day of the shop takes.")
    ] = 600.0,
    api_key: ApiKey = "",
) -> None:
    """Open a small shop of real processes and watch its telemetry arrive."""
    try:
        import opentelemetry.instrumentation.fastapi  # noqa: F401, PLC0415 - the shop's processes need it

        from vedette.demo.backend import Addresses  # noqa: PLC0415 - comes with an extra
        from vedette.demo.run import Demo, run_demo  # noqa: PLC0415 - comes with an extra
    except ImportError as error:
        raise StartError(f"The demo needs more packages ({error.name}): pip install 'vedette[demo]'.") from error
    run_demo(
        Demo(
            data_dir=None if no_serve else data_dir.expanduser(),
            addresses=Addresses(listen=listen, otlp_http=otlp_http, otlp_grpc=otlp_grpc),
            api_key=api_key,
            rate=rate,
            seed=seed,
            day_seconds=day,
            duration_seconds=duration,
            plain=plain,
        )
    )
