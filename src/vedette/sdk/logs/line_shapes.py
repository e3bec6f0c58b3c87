"""Functions compiled for the JSON lines of one site.

They hold the text that stays the same and put in what differs. The site vouches for the types of values;
what it does not vouch for (names that meet, integers of thousands of digits) goes the long way.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.logs.shapes import agreement, compiled_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.sdk.logs.lines import JsonLines
    from vedette.sdk.logs.records import Record, Site

__all__ = ["Renders", "compiled"]

_QUOTES = "'''"
_DIGITS = [f"{number:03d}" for number in range(1000)]
_SMALL = [str(number) for number in range(1000)]
_ONE = """
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
    time, shared, of_span = lines.time, lines.made, lines.end
    try:
{line}        return line
    except (TypeError, ValueError):
        return full(record)
"""
_EACH_OF_RUN = """
since = at - began
if not 0 <= since < 1000000000:
    since = at - of.begin
    if not 0 <= since < 1000000000:
        since = of.new_second(at)
    began, time = of.begin, of.time
try:
{line}except (TypeError, ValueError):
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
    line = f"{settle}text = {text}\nline = f{_QUOTES}{time}{head}{{text}}{{shared}}{pairs}{{of_span}}{_QUOTES}\n"
    made["agreed"], made["agrees"] = agreement(frozenset(names))
    shown = "".join([f", {value}" for value in values])
    one = _ONE.replace("{values}", shown).replace("{line}", indent(line, " " * 8))
    exec(one, made)  # noqa: S102 - keys and names are in it as escaped text alone
    each = _EACH_OF_RUN.replace("{line}", indent(line, " " * 4))
    run = compiled_run(lines, values, made, begin="began = -1 << 64\n", each=each, known=("digits", "small"))
    return Renders(made["render"], run)


class _Shown(str):
    """Text that stands for a float."""

    __slots__ = ()
    __repr__ = str.__str__


def _braced(text: str) -> str:
    """`text` inside a literal f-string in triple quotes."""
    return text.encode("unicode_escape").decode().replace("'", "\\'").replace("{", "{{").replace("}", "}}")
