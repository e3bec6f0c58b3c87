"""The ways out that the settings ask for, each with its sender and its part of the spool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vedette.sdk.export.batch import compressor
from vedette.sdk.export.exporter import Way
from vedette.sdk.export.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.export.grpc import GrpcSender
    from vedette.sdk.export.http import HttpSender
    from vedette.sdk.settings import Settings

__all__ = ["elasticsearch_way", "otlp_sender", "otlp_way"]

SERVICE_HEADER = "Vedette-Service"
"""By this header of a request a program says whose log levels it wants to hear of; percent-encoded."""
_SAFE_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def otlp_sender(
    settings: Settings, service: str = "", heard: Callable[[str], None] | None = None
) -> HttpSender | GrpcSender:
    """What sends OTLP by the protocol of the settings.

    `heard` is told the log levels that the endpoint has for the programs of `service`.
    """
    headers = dict(settings.headers)
    if heard is not None:
        headers.setdefault(SERVICE_HEADER, quote(service, safe=""))
    if settings.api_key:
        headers.setdefault("Authorization", f"Bearer {settings.api_key}")
    if settings.protocol == "grpc":
        from vedette.sdk.export.grpc import GrpcSender  # noqa: PLC0415 - an optional transport

        gzip = settings.compression != "none"
        certificate = settings.certificate
        return GrpcSender(
            settings.endpoint, headers, settings.timeout_seconds, heard, gzip=gzip, certificate=certificate
        )
    from vedette.sdk.export.http import HttpSender  # noqa: PLC0415 - one of two transports

    return HttpSender(settings.endpoint, headers, settings.timeout_seconds, heard, settings.certificate)


def otlp_way(settings: Settings, service: str, heard: Callable[[str], None] | None) -> Way:
    """The way of all signals to the endpoint."""
    sender = otlp_sender(settings, service, heard)
    # gRPC compresses by itself.
    how = "none" if settings.protocol == "grpc" else settings.compression
    outbox = Outbox(sender, _spool(settings, service), settings.spool_bytes)
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
