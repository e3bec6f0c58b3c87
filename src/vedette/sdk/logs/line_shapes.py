"""Functions compiled for the JSON lines of one site.

Such a function holds the text that stays the same and puts in what differs. The site vouches for the types of values;
what it does not vouch for (names that meet, integers of thousands of digits) goes the long way.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.shapes import agreement

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.lines import JsonLines
    from vedette.sdk.logs.records import Record, Site

__all__ = ["compiled"]

_QUOTES = "'''"
_DIGITS = [f"{number:03d}" for number in range(1000)]
_BEGIN = """
def render(record, lines=lines, digits=digits):
    _, at, bound, context, span, message{values} = record
    if context is not lines.context:
        lines.use_context(context)
    if bound is not lines.bound:
        lines.use_bound(bound)
    if lines.names is not agreed[0] and not agrees(lines.names):
        return full(record)
    if span is not lines.span:
        lines.use_span(span)
    since = at - lines.begin
    if not 0 <= since < 1000000000:
        since = lines.new_second(at)
    try:
"""
_FORMS = {str: "{Q[value]}", int: "{value}", float: "{value!r}", bool: "{'true' if value else 'false'}"}
_ANY = "{other(value)}"


def compiled(lines: JsonLines, site: Site, full: Callable[[Record], str]) -> Callable[[Record], str]:
    """A function that gives the JSON lines of a site's records."""
    names = site.names or ()
    made: dict[str, Any] = {
        "lines": lines,
        "other": lines.other,
        "quoted": lines.quoted,
        "digits": _DIGITS,
        "full": full,
    }
    made |= {"quote": encode_basestring, "redact": lines.redact, "Shown": _Shown}
    values = [f"v{place}" for place in range(len(site.kinds))]
    source = _BEGIN.format(values="".join([f", {value}" for value in values]))
    pairs = ""
    fields = zip(names, values[site.arguments :], site.kinds[site.arguments :], strict=True)
    for key, value, kind in fields:
        known = lines.name(key)
        pairs += _braced(known)
        if known[-1] == '"':  # a masked key has its value already
            continue
        if kind is float:  # `v - v` is not 0 for infinities and `nan`
            source += f"        if {value} - {value}:\n            {value} = Shown(other({value}))\n"
        made[f"q{value}"] = lines.quoted_of(key)
        pairs += _FORMS.get(kind, _ANY).replace("value", value).replace("Q", f"q{value}")  # type: ignore[arg-type]
    text = "quoted[message]"
    if site.arguments:
        text = f"quote(redact(message % ({', '.join(values[: site.arguments])},)))"
    time = "{lines.time}{digits[since // 1000000]}{digits[since // 1000 % 1000]}"
    head, end = _braced(lines.head(site.channel, site.level)), _braced(lines.service)
    line = f"{time}{head}{{text}}{{lines.shared_text}}{pairs}{{lines.ids}}{end}"
    source += f"        text = {text}\n        return f{_QUOTES}{line}{_QUOTES}\n"
    source += "    except (TypeError, ValueError):\n        return full(record)\n"
    made["agreed"], made["agrees"] = agreement(frozenset(names))
    exec(source, made)  # noqa: S102 - keys and names are in it as escaped text alone
    render: Callable[[Record], str] = made["render"]
    return render


class _Shown(str):
    """Text that stands for a float."""

    __slots__ = ()
    __repr__ = str.__str__


def _braced(text: str) -> str:
    """`text` inside a literal f-string in triple quotes."""
    return text.encode("unicode_escape").decode().replace("'", "\\'").replace("{", "{{").replace("}", "}}")
