"""The ways out that the settings ask for, each with its sender and its part of the spool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from vedette.sdk.export.batch import compressor
from vedette.sdk.export.connection import Trust
from vedette.sdk.export.exporter import Way
from vedette.sdk.export.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.export.grpc import GrpcSender
    from vedette.sdk.export.http import HttpSender
    from vedette.sdk.settings import Settings

__all__ = ["elasticsearch_way", "otlp_sender", "otlp_ways"]

SERVICE_HEADER = "Vedette-Service"
"""By this header of a request a program says whose log levels it wants to hear of; percent-encoded."""
_SAFE_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def otlp_sender(
    settings: Settings, signal: str, service: str = "", heard: Callable[[str], None] | None = None
) -> HttpSender | GrpcSender:
    """What sends a signal by the protocol of the settings to its endpoint.

    `heard` is told the log levels that the endpoint has for the programs of `service`.
    """
    own = settings.endpoints.get(signal)
    url = own or settings.endpoint
    headers = dict(settings.signal_headers.get(signal, settings.headers))
    if heard is not None:
        headers.setdefault(SERVICE_HEADER, quote(service, safe=""))
    if settings.api_key and urlsplit(url)[:2] == urlsplit(settings.endpoint)[:2]:  # it is nobody else's business
        headers.setdefault("Authorization", f"Bearer {settings.api_key}")
    trust = Trust(settings.certificate, settings.client_certificate, settings.client_key)
    if settings.protocol == "grpc":
        from vedette.sdk.export.grpc import GrpcSender  # noqa: PLC0415 - an optional transport

        gzip = settings.compression != "none"
        return GrpcSender(url, headers, settings.timeout_seconds, heard, gzip=gzip, trust=trust)
    from vedette.sdk.export.http import HttpSender  # noqa: PLC0415 - one of two transports

    return HttpSender(url, headers, settings.timeout_seconds, heard, trust, complete=own is not None)


def otlp_ways(settings: Settings, service: str, heard: Callable[[str], None] | None) -> dict[str, Way]:
    """The ways of the signals: one together, but for those that have an endpoint or headers of their own."""
    together: Way | None = None
    ways = {}
    for signal in settings.signals:
        if signal in settings.endpoints or signal in settings.signal_headers:
            ways[signal] = _way(settings, otlp_sender(settings, signal, service, heard), f"{service}.{signal}")
        else:
            if together is None:
                together = _way(settings, otlp_sender(settings, signal, service, heard), service)
            ways[signal] = together
    return ways


def _way(settings: Settings, sender: HttpSender | GrpcSender, spool: str) -> Way:
    # gRPC compresses by itself.
    how = "none" if settings.protocol == "grpc" else settings.compression
    outbox = Outbox(sender, _spool(settings, spool), settings.spool_bytes)
    return Way(outbox, *compressor(how, sender.host))


def elasticsearch_way(settings: Settings, service: str) -> Way:
    """The way of logs to Elasticsearch, which does not know zstd."""
    from vedette.sdk.export.bulk import BulkSender  # noqa: PLC0415 - loaded where it is asked for

    sender = BulkSender(settings.elasticsearch_url or "", settings.elasticsearch_api_key, settings.timeout_seconds)
    outbox = Outbox(sender, _spool(settings, f"{service}.elasticsearch"), settings.spool_bytes)
    how = "gzip" if settings.compression == "zstd" else settings.compression
    return Way(outbox, *compressor(how, sender.host))


def _spool(settings: Settings, name: str) -> Path | None:
    if settings.spool_dir == "off":
        return None
    safe = "".join(c if c in _SAFE_NAME else "_" for c in name)
    return Path(settings.spool_dir) / (safe.lstrip(".") or "service")
