"""Functions compiled for the JSON lines of one site.

They hold the text that stays the same and put in what differs. The site vouches for the types of values;
what it does not vouch for (names that meet, integers of thousands of digits) goes the long way.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.logs.shapes import agreement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.sdk.logs.lines import JsonLines
    from vedette.sdk.logs.records import Record, Site

__all__ = ["Renders", "compiled"]

_QUOTES = "'''"
_DIGITS = [f"{number:03d}" for number in range(1000)]
_SMALL = [str(number) for number in range(1000)]
_BEGIN = """
def render(record, lines=lines, digits=digits, small=small):
    _, at, bound, context, span, message{values} = record
    if context is not lines.context or bound is not lines.bound:
        lines.share(context, bound)
    if lines.names is not agreed[0] and not agrees(lines.names):
        return full(record)
    if span is not lines.span:
        lines.use_span(span)
    since = at - lines.begin
    if not 0 <= since < 1000000000:
        since = lines.new_second(at)
    time, shared, end = lines.time, lines.made, lines.end
    try:
{line}        return line
    except (TypeError, ValueError):
        return full(record)
"""
# The same for many records. Nothing of a record is `lines`.
_BEGIN_RUN = """
def render_run(records, put, lines=lines, digits=digits, small=small, contexts=contexts, spans=spans):
    began, held_context, held_bound, held_span, alike = -1 << 64, lines, lines, lines, False
    for record in records:
        _, at, bound, context, span, message{values} = record
        if span is not held_span:
            end, held_span = spans[span], span
        if context is not held_context or bound is not held_bound:
            if alike and bound is held_bound and type(context) is str:
                shared = contexts[context] + of_bound
            else:
                if context is not lines.context or bound is not lines.bound:
                    lines.share(context, bound)
                shared, of_bound = lines.made, lines.of_bound
                apart = lines.names is agreed[0] or agrees(lines.names)
                alike = apart and type(context) is str
            held_context, held_bound = context, bound
        if not apart:
            put(full(record))
            continue
        since = at - began
        if not 0 <= since < 1000000000:
            since = at - lines.begin
            if not 0 <= since < 1000000000:
                since = lines.new_second(at)
            began, time = lines.begin, lines.time
        try:
{line}        except (TypeError, ValueError):
            line = full(record)
        put(line)
"""
_FORMS = {
    str: "{Q[value]}",
    int: "{small[value] if 0 <= value < 1000 else value}",
    float: "{value!r}",
    bool: "{'true' if value else 'false'}",
}
_ANY = "{other(value)}"


class Renders(NamedTuple):
    """`one` gives the line of a record; `run` hands on those of some, all of one site, one after the other."""

    one: Callable[[Record], str]
    run: Callable[[Iterable[Record], Callable[[str], None]], None]


def compiled(lines: JsonLines, site: Site, full: Callable[[Record], str]) -> Renders:
    """The functions that give the JSON lines of a site's records."""
    names = site.names or ()
    made: dict[str, Any] = {
        "lines": lines,
        "other": lines.other,
        "quoted": lines.quoted,
        "digits": _DIGITS,
        "small": _SMALL,
        "full": full,
        "contexts": lines.contexts,
        "spans": lines.spans,
    }
    made |= {"quote": encode_basestring, "redact": lines.redact, "Shown": _Shown}
    values = [f"v{place}" for place in range(len(site.kinds))]
    pairs, settle = "", ""
    fields = zip(names, values[site.arguments :], site.kinds[site.arguments :], strict=True)
    for key, value, kind in fields:
        known = lines.name(key)
        pairs += _braced(known)
        if known[-1] == '"':  # a masked key has its value already
            continue
        if kind is float:  # `v - v` is not 0 for infinities and `nan`
            settle += f"if {value} - {value} != 0.0:\n    {value} = Shown(other({value}))\n"
        made[f"q{value}"] = lines.quoted_of(key)
        pairs += _FORMS.get(kind, _ANY).replace("value", value).replace("Q", f"q{value}")  # type: ignore[arg-type]
    text = "quoted[message]"
    if site.arguments:
        text = f"quote(redact(message % ({', '.join(values[: site.arguments])},)))"
    head = _braced(lines.head(site.channel, site.level))
    time = "{time}{digits[since // 1000000]}{digits[since // 1000 % 1000]}"
    line = f"{settle}text = {text}\nline = f{_QUOTES}{time}{head}{{text}}{{shared}}{pairs}{{end}}{_QUOTES}\n"
    made["agreed"], made["agrees"] = agreement(frozenset(names))
    shown = "".join([f", {value}" for value in values])
    for source, depth in ((_BEGIN, 8), (_BEGIN_RUN, 12)):
        body = source.replace("{values}", shown).replace("{line}", indent(line, " " * depth))
        exec(body, made)  # noqa: S102 - keys and names are in it as escaped text alone
    return Renders(made["render"], made["render_run"])


class _Shown(str):
    """Text that stands for a float."""

    __slots__ = ()
    __repr__ = str.__str__


def _braced(text: str) -> str:
    """`text` inside a literal f-string in triple quotes."""
    return text.encode("unicode_escape").decode().replace("'", "\\'").replace("{", "{{").replace("}", "}}")
