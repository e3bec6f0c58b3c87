"""Functions compiled for the JSON lines of one shape of records: one logger and level, with the same names of fields.

Such a function holds the text that stays the same and puts in what differs. It looks at everything it relies on, and
gives `None` for a record that it was not made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.lines import JsonLines
    from vedette.sdk.logs.records import Record

__all__ = ["compiled"]

_QUOTES = "'''"
_DIGITS = [f"{number:03d}" for number in range(1000)]
_BEGIN = """
def render(record):
    at, level, channel, message, args, fields, bound, context, span, exception, event, _ = record
    if channel is not CHANNEL or level != {level} or exception is not None or event or len(fields) != {count}:
        return None
"""
_SHARED = """
    if context is not lines.context:
        lines.use_context(context)
    if bound is not lines.bound:
        lines.use_bound(bound)
    if (
        lines.context_names is not agreed[0] or lines.bound_names is not agreed[1]
    ) and not agrees(lines.context_names, lines.bound_names):
        return None
    since = at - lines.begin
    if not 0 <= since < 1000000000:
        since = lines.new_second(at)
    ids = "" if span is None else lines.ids if span is lines.span else lines.new_span(record)
    text = lines.message(record) if args else quoted[message]
"""
_FORMS = {
    str: "{Q[value]}",
    int: "{value if type(value) is int else other(value)}",
    float: "{value!r}",
    bool: "{'true' if value is True else 'false' if value is False else other(value)}",
}
_ANY = "{other(value)}"


def compiled(lines: JsonLines, record: Record) -> Callable[[Record], str | None]:
    """A function that gives the JSON lines of records that look like this one."""
    fields = record[5]
    made: dict[str, Any] = {"lines": lines, "CHANNEL": record[2], "other": lines.other, "quoted": lines.quoted}
    made["digits"] = _DIGITS
    reads, checks, pairs = "", "", ""
    for place, (key, value) in enumerate(fields.items()):
        name = f"v{place}"
        reads += f"        {name} = fields[{key!a}]\n"
        known = lines.name(key)
        pairs += _braced(known)
        if known[-1] == '"':  # a masked key has its value already
            continue
        kind = type(value)
        if kind is float:  # `v - v` is not 0 for infinities and `nan`
            checks += f"    if type({name}) is not float or {name} - {name}:\n        {name} = Shown(other({name}))\n"
        made[f"q{place}"] = lines.quoted_of(key)
        pairs += _FORMS.get(kind, _ANY).replace("value", name).replace("Q", f"q{place}")
    source = _BEGIN.format(level=record[1], count=len(fields))
    if reads:
        source += f"    try:\n{reads}    except KeyError:\n        return None\n"
    source += _SHARED + checks
    head = _braced(lines.head(record))
    time = "{lines.time}{digits[since // 1000000]}{digits[since // 1000 % 1000]}"
    text = f"{time}{head}{{text}}{{lines.context_text}}{{lines.bound_text}}{pairs}{{ids}}{_braced(lines.service)}"
    source += f"    return f{_QUOTES}{text}{_QUOTES}\n"
    made["agreed"], made["agrees"] = agreement(frozenset(fields))
    made["Shown"] = _Shown
    exec(source, made)  # noqa: S102 - keys and names are in it as escaped text alone
    render: Callable[[Record], str | None] = made["render"]
    return render


class _Shown(str):
    """Text that stands for a float."""

    __slots__ = ()
    __repr__ = str.__str__


def _braced(text: str) -> str:
    """`text` inside a literal f-string in triple quotes."""
    return text.encode("unicode_escape").decode().replace("'", "\\'").replace("{", "{{").replace("}", "}}")
