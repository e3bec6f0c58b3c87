"""The functions of Prometheus' templates: https://prometheus.io/docs/prometheus/latest/configuration/template_reference/."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlsplit

from vedette.server.query.promql.gotext import parse_duration
from vedette.server.query.promql.labels import InvalidRegex, compile_unanchored, expand_groups
from vedette.server.rules.expansion import Record, expand, is_true, shown
from vedette.server.rules.printf import printed, printf
from vedette.server.rules.templates import Template, TemplateError, parse_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Sample = dict[str, Any]
    Query = Callable[[str], list[Sample]]

__all__ = ["VARIABLES", "check_template", "expand_alert", "template_names"]

VARIABLES: Final = ("$labels", "$externalLabels", "$externalURL", "$value")
_LARGE: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MOST_NANOSECONDS: Final = 1 << 63
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"})
_JS: Final = str.maketrans(
    {chr(code): f"\\u{code:04X}" for code in (*range(32), *b"<>&=")} | {"\\": "\\\\", "'": "\\'", '"': '\\"'}
)
_SMALL: Final = ("", "m", "u", "n", "p", "f", "a", "z", "y")


def check_template(text: str) -> None:
    """Parse a template of a rule.

    Raises:
        TemplateError: it is wrong.
    """
    _parsed(text)


@cache
def _parsed(text: str) -> Template:
    return parse_template(text, template_names(), VARIABLES)


@cache
def template_names() -> frozenset[str]:
    """The functions that templates have."""
    return frozenset(_functions(lambda _: [], "", 0)) | {"and", "or"}


def expand_alert(
    text: str,
    labels: Mapping[str, str],
    value: Any,  # noqa: ANN401
    query: Query,
    external: tuple[Mapping[str, str], str],
    *,
    at_ms: int = 0,
) -> str:
    """The text of a label or annotation of an alert.

    Args:
        text: The template.
        labels: The labels of the series that the alert is about.
        value: Its value: a number, or the text of a native histogram.
        query: Evaluates an expression at the moment of the alert: samples with ``Labels`` and a ``Value``.
        external: Labels and URL of this installation.
        at_ms: That moment.

    Raises:
        TemplateError: it is wrong, or cannot be expanded.
    """
    if "{{" not in text:
        return text
    data = Record(Labels=dict(labels), ExternalLabels=dict(external[0]), ExternalURL=external[1], Value=value)
    variables = dict(zip(VARIABLES, data.values(), strict=True))
    return expand(_parsed(text), data, _functions(query, external[1], at_ms), variables)


@lru_cache(maxsize=16)  # once for all alerts of a rule at a moment
def _functions(query: Query, external_url: str, at_ms: int) -> dict[str, Callable[..., Any]]:
    return {
        **_PLAIN,
        "query": lambda text: query(_text(text)),
        "now": lambda: at_ms / 1000,
        "externalURL": lambda: external_url,
        "pathPrefix": lambda: urlsplit(external_url).path.rstrip("/"),
    }


def _text(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise TemplateError(f"expected string; found {shown(value)}")
    return value


def _number(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or value is None:
        raise TemplateError(f"can't convert {shown(value)} to float")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"can't convert {shown(value)} to float") from error


def _g4(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.4g}"


def _scaled(value: float, units: tuple[str, ...], base: float) -> str:
    for unit in units[:-1]:
        if abs(value) < base:
            return f"{_g4(value)}{unit}"
        value /= base
    return f"{_g4(value)}{units[-1]}"


def _small(value: float) -> str:
    for unit in _SMALL[:-1]:
        if abs(value) >= 1:
            return f"{_g4(value)}{unit}"
        value *= 1000
    return f"{_g4(value)}{_SMALL[-1]}"


def _humanize(given: Any) -> str:  # noqa: ANN401
    value = _number(given)
    if value == 0 or not math.isfinite(value):
        return _g4(value)
    return _scaled(value, _LARGE, 1000) if abs(value) >= 1 else _small(value)


def _humanize_1024(given: Any) -> str:  # noqa: ANN401
    value = _number(given)
    return _g4(value) if abs(value) <= 1 or not math.isfinite(value) else _scaled(value, _BINARY, 1024)


def _humanize_duration(given: Any) -> str:  # noqa: ANN401
    value = _number(given)
    if not math.isfinite(value):
        return _g4(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return f"{_small(value)}s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_g4(value)}s"


def _moment(given: Any) -> dt.datetime:  # noqa: ANN401
    value = _number(given)
    if not math.isfinite(value) or abs(value) * 1e9 >= _MOST_NANOSECONDS:
        raise TemplateError(f"{shown(value)} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return _EPOCH + dt.timedelta(milliseconds=int(int(value * 1e9) / 1e6))


def _span(given: Any) -> dt.timedelta:  # noqa: ANN401
    value = _number(given)
    if not math.isfinite(value) or abs(value) * 1e9 >= _MOST_NANOSECONDS:
        raise TemplateError(f"{shown(value)} cannot be represented as a nanoseconds duration since it overflows int64")
    return dt.timedelta(seconds=value)


def _humanize_timestamp(given: Any) -> str:  # noqa: ANN401
    value = _number(given)
    return shown(_moment(value)) if math.isfinite(value) else _g4(value)


def _first(samples: list[Sample]) -> Sample:
    if not samples:
        raise TemplateError("first() called on vector with no elements")
    return samples[0]


def _regex(pattern: str) -> Any:  # noqa: ANN401 - google-re2 carries no types
    try:
        return compile_unanchored(pattern)
    except InvalidRegex as error:
        raise TemplateError(str(error)) from error


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    return str(_regex(pattern).sub(lambda match: expand_groups(replacement, match), text))


def _host_port(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\[([^\]]*)\]:([^:]*)|([^:\[\]]*):([^:]*)", text)
    if match is None:
        return text, ""
    return (match[1], match[2]) if match[1] is not None else (match[3], match[4])


def _strip_domain(text: str) -> str:
    host, port = _host_port(text)
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        host = host.partition(".")[0]
        return f"{host}:{port}" if port else host
    return text


def _compare(left: Any, right: Any) -> int:  # noqa: ANN401
    same = isinstance(left, str) == isinstance(right, str) and isinstance(left, bool) == isinstance(right, bool)
    if not same or isinstance(left, int) != isinstance(right, int):
        raise TemplateError("incompatible types for comparison")
    return int(left > right) - int(left < right)


def _equal(left: Any, *others: Any) -> bool:  # noqa: ANN401
    return any(left == other if None in (left, other) else not _compare(left, other) for other in others)


def _index(value: Any, *keys: Any) -> Any:  # noqa: ANN401
    for key in keys:
        if isinstance(value, dict) and not isinstance(value, Record):
            value = value.get(key, "")
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError(f"can't index {shown(value)}")
    return value


def _length(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, Record):
        raise TemplateError("what has fields has no length")
    return len(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)


def _slice(value: Any, *ends: int) -> Any:  # noqa: ANN401
    if any(not 0 <= end <= len(value) for end in ends) or list(ends) != sorted(ends):
        raise TemplateError(f"index out of range: {', '.join(map(shown, ends))}")
    return value[slice(*ends)] if len(ends) > 1 else value[ends[0] :] if ends else value


def _link(expression: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={tab}"


def _print(*values: Any) -> str:  # noqa: ANN401
    """Go's Sprint: a space between two values that are both no texts."""
    out = ""
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            out += " "
        out += printed(value)
    return out


def _title(text: str) -> str:
    return re.sub(r"(^|[^\w'])(\w)", lambda m: m[1] + m[2].upper(), text)


_PLAIN: Final[dict[str, Any]] = {
    "first": _first,
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "value": lambda sample: sample["Value"],
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "args": lambda *given: {f"arg{place}": value for place, value in enumerate(given)},
    "sortByLabel": lambda name, samples: sorted(samples, key=lambda one: one["Labels"].get(name, "")),
    "reReplaceAll": _replace_all,
    "safeHtml": lambda text: text,
    "match": lambda pattern, text: _regex(pattern).search(text) is not None,
    "title": _title,
    "toUpper": lambda text: _text(text).upper(),
    "toLower": lambda text: _text(text).lower(),
    "graphLink": lambda expression: _link(expression, 0),
    "tableLink": lambda expression: _link(expression, 1),
    "stripPort": lambda text: _host_port(text)[0],
    "stripDomain": _strip_domain,
    "humanize": _humanize,
    "humanize1024": _humanize_1024,
    "humanizeDuration": _humanize_duration,
    "humanizePercentage": lambda value: f"{_g4(_number(value) * 100)}%",
    "humanizeTimestamp": _humanize_timestamp,
    "toTime": _moment,
    "toDuration": _span,
    "parseDuration": lambda text: parse_duration(text) / 1000,
    "urlQueryEscape": quote_plus,
    "not": lambda value: not is_true(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": printf,
    "html": lambda *values: _print(*values).translate(_HTML),
    "js": lambda *values: _print(*values).translate(_JS),
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": lambda left, right: _compare(left, right) < 0,
    "le": lambda left, right: _compare(left, right) <= 0,
    "gt": lambda left, right: _compare(left, right) > 0,
    "ge": lambda left, right: _compare(left, right) >= 0,
}
