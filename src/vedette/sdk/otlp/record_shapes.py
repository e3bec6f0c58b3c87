"""Functions compiled for the log records of one site, whose types of values the site vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement
from vedette.sdk.otlp.wire import VARINTS, varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record, Site
    from vedette.sdk.otlp.logs import LogEncoder

__all__ = ["compiled"]

_SOURCE = """
def encode(record):
    _, at, bound, context, span, message{values} = record
    if context is not log.context or bound is not log.bound:
        log.share(context, bound)
    if log.names is not agreed[0] and not agrees(log.names):
        return full(record)
    if span is not log.span:
        log.use_span(span)
    body = b"".join((times(b"\\x09", at, b"\\x59", at), {head}, log.made, {pairs}log.ids))
    size = len(body)
    return b"\\x12" + (VARINTS[size] if size < {kept} else varint(size)) + body
"""
_KEPT_HEAD = "heads.get(message) or log.head_of(LEVEL, message)"


def compiled(
    log: LogEncoder, site: Site, kinds: Any, times: Callable[..., bytes], full: Callable[[Record], bytes]
) -> Callable[[Record], bytes]:
    """A function that gives the LogRecord messages of a site's records."""
    made: dict[str, Any] = {"log": log, "heads": log.heads_of(site.level), "LEVEL": site.level, "times": times}
    made |= {"VARINTS": VARINTS, "varint": varint, "kinds": kinds, "full": full}
    values = [f"v{place}" for place in range(len(site.kinds))]
    head = f"log.filled(LEVEL, message, ({', '.join(values[: site.arguments])},))" if site.arguments else _KEPT_HEAD
    pairs = ""
    for key, value, kind in zip(site.names or (), values[site.arguments :], site.kinds[site.arguments :], strict=True):
        if kind is None:
            pairs += f"kinds[type({value})][{key!a}][{value}], "
        else:
            made[f"k{value}"] = kinds[kind]
            pairs += f"k{value}[{key!a}][{value}], "
    shown = "".join([f", {value}" for value in values])
    made["agreed"], made["agrees"] = agreement(frozenset(site.names or ()))
    source = _SOURCE.format(values=shown, head=head, pairs=pairs, kept=len(VARINTS))
    exec(source, made)  # noqa: S102 - keys are in it as escaped text alone
    encode: Callable[[Record], bytes] = made["encode"]
    return encode
