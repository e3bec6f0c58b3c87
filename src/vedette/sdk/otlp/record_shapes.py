"""Functions compiled for the log records of one site, whose types of values the site vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement, compiled_run
from vedette.sdk.otlp.wire import VARINTS, varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record, Site
    from vedette.sdk.logs.shapes import Run
    from vedette.sdk.otlp.logs import LogEncoder

__all__ = ["compiled"]

_EACH = """
body = b"".join((times(b"\\x09", at, b"\\x59", at), {head}, shared, {pairs}of_span))
size = len(body)
put(b"\\x12" + (VARINTS[size] if size < {kept} else varint(size)) + body)
"""
_KEPT_HEAD = "heads.get(message) or log.head_of(LEVEL, message)"


def compiled(log: LogEncoder, site: Site, times: Callable[..., bytes], full: Callable[[Record], bytes]) -> Run[bytes]:
    """A function that gives the LogRecord messages of a site's records."""
    kinds = log.attributes.kinds
    made: dict[str, Any] = {"log": log, "heads": log.heads_of(site.level), "LEVEL": site.level, "times": times}
    made |= {"VARINTS": VARINTS, "varint": varint, "kinds": kinds, "full": full}
    values = [f"v{place}" for place in range(len(site.kinds))]
    head = f"log.filled(LEVEL, message, ({', '.join(values[: site.arguments])},))" if site.arguments else _KEPT_HEAD
    begin = pairs = ""
    for key, value, kind in zip(site.names or (), values[site.arguments :], site.kinds[site.arguments :], strict=True):
        if kind is None:
            pairs += f"kinds[type({value})][{key!a}][{value}], "
        else:
            made[f"k{value}"] = kinds[kind]
            begin += f"p{value} = k{value}[{key!a}].pair_of\n"
            pairs += f"p{value}({value}), "
    made["agreed"], made["agrees"] = agreement(frozenset(site.names or ()))
    each = _EACH.format(head=head, pairs=pairs, kept=len(VARINTS))
    return compiled_run(log, values, made, begin=begin, each=each, known=("times", "VARINTS"))
