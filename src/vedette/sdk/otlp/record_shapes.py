"""Functions compiled for log records of one shape: one level, with the same names of fields.

Such a function looks at everything that it relies on, and gives `None` for a record that it was not made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement
from vedette.sdk.otlp.wire import VARINTS, varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record
    from vedette.sdk.otlp.logs import LogEncoder

__all__ = ["compiled"]

_BEGIN = """
def encode(record):
    at, level, _, text, args, fields, bound, context, span, error, event, severity = record
    if level != {level} or error is not None or event or severity or len(fields) != {count}:
        return None
"""
_SHARED = """
    if context is not log.context:
        log.use_context(context)
    if bound is not log.bound:
        log.use_bound(bound)
    if (
        log.context_names is not agreed[0] or log.bound_names is not agreed[1]
    ) and not agrees(log.context_names, log.bound_names):
        return None
    head = (None if args else heads.get((level, text))) or log.head(record)
    ids = b"" if span is None else log.ids if span is log.span else log.new_span(record)
    body = b"".join((times(b"\\x09", at, b"\\x59", at), head, log.context_fields, log.bound_fields, {pairs}ids))
    size = len(body)
    return b"\\x12" + (VARINTS[size] if size < {kept} else varint(size)) + body
"""


def compiled(log: LogEncoder, record: Record, kinds: Any, times: Callable[..., bytes]) -> Callable[[Record], Any]:
    """A function that gives the LogRecord messages of records that look like this one."""
    fields = record[5]
    made: dict[str, Any] = {"log": log, "heads": log.heads, "kinds": kinds, "times": times}
    made |= {"VARINTS": VARINTS, "varint": varint}
    reads = "".join([f"        v{place} = fields[{key!a}]\n" for place, key in enumerate(fields)])
    pairs = "".join([f"kinds[type(v{place})][{key!a}][v{place}], " for place, key in enumerate(fields)])
    source = _BEGIN.format(level=record[1], count=len(fields))
    if reads:
        source += f"    try:\n{reads}    except KeyError:\n        return None\n"
    source += _SHARED.format(pairs=pairs, kept=len(VARINTS))
    made["agreed"], made["agrees"] = agreement(frozenset(fields))
    exec(source, made)  # noqa: S102 - keys are in it as escaped text alone
    encode: Callable[[Record], Any] = made["encode"]
    return encode
