"""The functions of Prometheus' templates: https://prometheus.io/docs/prometheus/latest/configuration/template_reference/."""

from __future__ import annotations

import datetime as dt
import html
import ipaddress
import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlsplit

from vedette.server.query.promql.gotext import parse_duration, quote
from vedette.server.query.promql.labels import InvalidRegex, compile_regex
from vedette.server.rules.expansion import expand, is_true, shown
from vedette.server.rules.templates import Template, TemplateError, parse_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Sample = dict[str, Any]
    Query = Callable[[str], list[Sample]]

__all__ = ["VARIABLES", "check_template", "expand_alert", "template_names"]

VARIABLES: Final = ("$labels", "$externalLabels", "$externalURL", "$value")
_VERB: Final = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")
_LARGE: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
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
    return frozenset(_functions(lambda _: [], "")) | {"and", "or"}


def expand_alert(
    text: str,
    labels: Mapping[str, str],
    value: Any,  # noqa: ANN401
    query: Query,
    external: tuple[Mapping[str, str], str],
) -> str:
    """The text of a label or annotation of an alert.

    Args:
        text: The template.
        labels: The labels of the series that the alert is about.
        value: Its value: a number, or the text of a native histogram.
        query: Evaluates an expression at the moment of the alert: samples as ``{"Labels": {…}, "Value": …}``.
        external: Labels and URL of this installation.

    Raises:
        TemplateError: it is wrong, or cannot be expanded.
    """
    if "{{" not in text:
        return text
    data = {"Labels": dict(labels), "ExternalLabels": dict(external[0]), "ExternalURL": external[1], "Value": value}
    variables = dict(zip(VARIABLES, data.values(), strict=True))
    return expand(_parsed(text), data, _functions(query, external[1]), variables)


def _functions(query: Query, external_url: str) -> dict[str, Callable[..., Any]]:
    return {
        **_PLAIN,
        "query": lambda text: query(str(text)),
        "externalURL": lambda: external_url,
        "pathPrefix": lambda: urlsplit(external_url).path.rstrip("/"),
    }


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
    try:
        return dt.datetime.fromtimestamp(_number(given), dt.UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TemplateError(f"{shown(given)} is no time") from error


def _humanize_timestamp(given: Any) -> str:  # noqa: ANN401
    value = _number(given)
    if not math.isfinite(value):
        return _g4(value)
    moment = _moment(value)
    parts = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{parts} +0000 UTC"


def _printf(form: str, *values: Any) -> str:  # noqa: ANN401
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match[1], match[2], match[3], match[4]
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _formatted(verb, rest.pop(0), flags, precision)
        if not width:
            return text
        return text.ljust(int(width)) if "-" in flags else text.rjust(int(width), "0" if "0" in flags else " ")

    text = _VERB.sub(one, str(form))
    return text + (f"%!(EXTRA {', '.join(map(shown, rest))})" if rest else "")


def _formatted(verb: str, value: Any, flags: str, precision: str | None) -> str:  # noqa: ANN401
    sign = "+" if "+" in flags else ""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = f"%!{verb}({'float64' if isinstance(value, float) else type(value).__name__}={shown(value)})"
    if verb in {"v", "s"} and not (verb == "s" and number):
        text = shown(value)
        if precision and isinstance(value, str):
            text = text[: int(precision)]
    elif verb == "q" and isinstance(value, str):
        text = quote(value)
    elif verb == "t" and isinstance(value, bool):
        text = shown(value)
    elif verb == "c" and isinstance(value, int):
        text = chr(value)
    elif verb in "dxXob" and isinstance(value, int) and number:
        text = format(value, sign + verb)
    elif verb in "eEfFgG" and isinstance(value, float):
        text = _float_verb(verb, value, sign, precision)
    return text


def _float_verb(verb: str, value: float, sign: str, precision: str | None) -> str:
    if not math.isfinite(value):
        return _g4(value)
    if verb in "gG" and precision is None:
        return shown(value)
    return format(value, f"{sign}.{precision or 6}{verb}")


def _first(samples: list[Sample]) -> Sample:
    if not samples:
        raise TemplateError("first() called on vector with no elements")
    return samples[0]


def _regex(pattern: str) -> Any:  # noqa: ANN401 - google-re2 carries no types
    try:
        return compile_regex(pattern)
    except InvalidRegex as error:
        raise TemplateError(str(error)) from error


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    regex = _regex(pattern)
    escaped = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: f"\\g<{m[1] or m[2]}>", replacement.replace("\\", "\\\\"))
    return str(regex.sub(escaped, text))


def _host_port(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\[([^\]]*)\]:([^:]*)|([^:\[\]]*):([^:]*)", text)
    if match is None:
        return text, ""
    return (match[1], match[2]) if match[1] is not None else (match[3], match[4])


def _strip_domain(text: str) -> str:
    host, port = _host_port(text)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = host.partition(".")[0]
    return f"{host}:{port}" if port else host


def _compare(left: Any, right: Any) -> int:  # noqa: ANN401
    same = isinstance(left, str) == isinstance(right, str) and isinstance(left, bool) == isinstance(right, bool)
    if not same or isinstance(left, int) != isinstance(right, int):
        raise TemplateError("incompatible types for comparison")
    return int(left > right) - int(left < right)


def _equal(left: Any, *others: Any) -> bool:  # noqa: ANN401
    return any(left == other if None in (left, other) else not _compare(left, other) for other in others)


def _index(value: Any, *keys: Any) -> Any:  # noqa: ANN401
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError(f"can't index {shown(value)}")
    return value


def _slice(value: Any, *ends: int) -> Any:  # noqa: ANN401
    return value[slice(*ends)] if len(ends) > 1 else value[ends[0] :] if ends else value


def _link(expression: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={tab}"


def _print(*values: Any) -> str:  # noqa: ANN401
    """Go's Sprint: a space between two values that are both no texts."""
    out = ""
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            out += " "
        out += shown(value)
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
    "toUpper": lambda text: str(text).upper(),
    "toLower": lambda text: str(text).lower(),
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
    "toDuration": lambda value: dt.timedelta(seconds=_number(value)),
    "now": lambda: dt.datetime.now(dt.UTC).timestamp(),
    "parseDuration": lambda text: parse_duration(text) / 1000,
    "urlQueryEscape": quote_plus,
    "not": lambda value: not is_true(value),
    "len": len,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(shown, values)) + "\n",
    "printf": _printf,
    "html": lambda *values: html.escape(_print(*values)),
    "js": lambda *values: quote(_print(*values))[1:-1],
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": lambda left, right: _compare(left, right) < 0,
    "le": lambda left, right: _compare(left, right) <= 0,
    "gt": lambda left, right: _compare(left, right) > 0,
    "ge": lambda left, right: _compare(left, right) >= 0,
}
