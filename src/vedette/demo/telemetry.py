"""How a process of the shop is watched: by `vedette`, but for one service that stays with OpenTelemetry's own packages.

The services themselves are written against OpenTelemetry's API and the standard library's loggers, so that nothing in
them says which of the two it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import vedette

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from vedette.demo.stage import Stage

__all__ = ["start", "watch"]

_OFFICIAL = frozenset({"payments"})
# These services send by OTLP/gRPC, the others by OTLP/HTTP.
_GRPC = frozenset({"gateway", "orders"})
_METRICS_INTERVAL_SECONDS = 10.0
_SPOOL = "spool"  # in the shop's directory: what could not be sent goes with the shop, instead of into the next one


def start(stage: Stage) -> Callable[[], None]:
    """Set up traces, metrics and logs for this process; returns what sends the rest and ends them."""
    if stage.service in _OFFICIAL:
        from vedette.demo import official  # noqa: PLC0415 - a process loads one of the two

        return official.start(stage)
    by_grpc = stage.service in _GRPC
    vedette.configure(
        stage.service,
        version=stage.version,
        environment="demo",
        endpoint=stage.otlp_grpc if by_grpc else stage.otlp_http,
        protocol="grpc" if by_grpc else "http/protobuf",
        metrics_interval_seconds=_METRICS_INTERVAL_SECONDS,
        log_format="none",
        log_levels={"httpx": "warning"},
        host_metrics=stage.service == "gateway",
        spool_dir=_SPOOL,
        resource={"service.namespace": "shop", "service.instance.id": stage.instance},
    )
    vedette.instrument()
    return vedette.shutdown


def watch(app: FastAPI, stage: Stage) -> None:
    """Watch the requests of `app`. The services log what matters of a request themselves."""
    if stage.service in _OFFICIAL:
        from vedette.demo import official  # noqa: PLC0415 - a process loads one of the two

        official.watch(app)
    else:
        vedette.instrument(app, metrics_path=None, log_requests=False)
