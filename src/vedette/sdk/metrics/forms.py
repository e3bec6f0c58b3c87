"""The forms of an exposition, and which of them a scraper wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vedette.sdk.metrics.exposition import exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.sdk.metrics.registry import Family

__all__ = ["OPENMETRICS", "PROTOBUF", "TEXT", "Form", "negotiate"]


@dataclass(frozen=True)
class Form:
    """A format: the Content-Type, and what makes the body of families that were collected."""

    content_type: str
    body: Callable[[Iterable[Family[Any]]], bytes]


def _text(families: Iterable[Family[Any]]) -> bytes:
    return exposition(families, openmetrics=False).encode("utf-8", "replace")


def _openmetrics(families: Iterable[Family[Any]]) -> bytes:
    return exposition(families, openmetrics=True).encode("utf-8", "replace")


def _protobuf(families: Iterable[Family[Any]]) -> bytes:
    from vedette.sdk.metrics.protobuf import protobuf_exposition  # noqa: PLC0415 - loaded by who asks for it

    return protobuf_exposition(families)


TEXT = Form("text/plain; version=0.0.4; charset=utf-8", _text)
OPENMETRICS = Form("application/openmetrics-text; version=1.0.0; charset=utf-8", _openmetrics)
PROTOBUF = Form(
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", _protobuf
)


def negotiate(accept: str) -> Form:
    """The form that an Accept header likes best of those that there are; text for whoever wants none of them."""
    best, most = TEXT, 0.0
    for wish in accept.split(","):
        kind, *parameters = [part.strip() for part in wish.lower().split(";")]
        named = dict([parameter.partition("=")[::2] for parameter in parameters])
        form = _form(kind, {key.strip(): value.strip(' "') for key, value in named.items()})
        quality = _quality(named.get("q", "1"))
        if form is not None and quality > most:
            best, most = form, quality
    return best


def _form(kind: str, parameters: dict[str, str]) -> Form | None:
    if kind == "application/openmetrics-text":
        return OPENMETRICS if parameters.get("version", "1.0.0") == "1.0.0" else None
    if kind == "application/vnd.google.protobuf":
        wanted = parameters.get("proto"), parameters.get("encoding")
        return PROTOBUF if wanted == ("io.prometheus.client.metricfamily", "delimited") else None
    if kind == "text/plain":
        return TEXT if parameters.get("version", "0.0.4") == "0.0.4" else None
    return TEXT if kind in {"*/*", "text/*"} else None


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
