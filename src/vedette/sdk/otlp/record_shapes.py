"""Functions compiled for the log records of one site, whose types of values the site vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement
from vedette.sdk.otlp.wire import VARINTS, varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from vedette.sdk.logs.records import Record, Site
    from vedette.sdk.otlp.logs import LogEncoder

    EncodeRun: TypeAlias = Callable[[Iterable[Record], Callable[[bytes], None]], None]

__all__ = ["compiled"]

# Nothing of a record is `log`.
_SOURCE = """
def encode(records, put, log=log, contexts=contexts, spans=spans, times=times, VARINTS=VARINTS):
    held_context, held_bound, held_span, alike = log, log, log, False
{begin}    for record in records:
        _, at, bound, context, span, message{values} = record
        if span is not held_span:
            ids, held_span = spans[span], span
        if context is not held_context or bound is not held_bound:
            if alike and bound is held_bound and type(context) is str:
                shared = contexts[context] + of_bound
            else:
                if context is not log.context or bound is not log.bound:
                    log.share(context, bound)
                shared, of_bound = log.made, log.of_bound
                apart = log.names is agreed[0] or agrees(log.names)
                alike = apart and type(context) is str
            held_context, held_bound = context, bound
        if not apart:
            put(full(record))
            continue
        body = b"".join((times(b"\\x09", at, b"\\x59", at), {head}, shared, {pairs}ids))
        size = len(body)
        put(b"\\x12" + (VARINTS[size] if size < {kept} else varint(size)) + body)
"""
_KEPT_HEAD = "heads.get(message) or log.head_of(LEVEL, message)"


def compiled(log: LogEncoder, site: Site, times: Callable[..., bytes], full: Callable[[Record], bytes]) -> EncodeRun:
    """A function that gives the LogRecord messages of a site's records."""
    kinds = log.attributes.kinds
    made: dict[str, Any] = {"log": log, "heads": log.heads_of(site.level), "LEVEL": site.level, "times": times}
    made |= {"VARINTS": VARINTS, "varint": varint, "kinds": kinds, "full": full}
    made |= {"contexts": log.contexts, "spans": log.spans}
    values = [f"v{place}" for place in range(len(site.kinds))]
    head = f"log.filled(LEVEL, message, ({', '.join(values[: site.arguments])},))" if site.arguments else _KEPT_HEAD
    begin = pairs = ""
    for key, value, kind in zip(site.names or (), values[site.arguments :], site.kinds[site.arguments :], strict=True):
        if kind is None:
            pairs += f"kinds[type({value})][{key!a}][{value}], "
        else:
            made[f"k{value}"] = kinds[kind]
            begin += f"    p{value} = k{value}[{key!a}].pair_of\n"
            pairs += f"p{value}({value}), "
    shown = "".join([f", {value}" for value in values])
    made["agreed"], made["agrees"] = agreement(frozenset(site.names or ()))
    source = _SOURCE.format(begin=begin, values=shown, head=head, pairs=pairs, kept=len(VARINTS))
    exec(source, made)  # noqa: S102 - keys are in it as escaped text alone
    encode: EncodeRun = made["encode"]
    return encode
