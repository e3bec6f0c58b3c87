"""How many lines there are: over time by severity, and by the values of fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import InvalidInput
from vedette.server.query.logs.conditions import Binder
from vedette.server.query.logs.fields import SEVERITIES, text_of_field
from vedette.server.query.logs.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.logs.selection import Selection
    from vedette.server.query.reader import Reader

__all__ = ["DEFAULT_FACETS", "MAX_BUCKETS", "MAX_FACETS", "MAX_FACET_VALUES", "facets", "histogram", "nice_width_ns"]

MAX_BUCKETS: Final = 500
MAX_FACETS: Final = 10
MAX_FACET_VALUES: Final = 100
DEFAULT_FACETS: Final = ("service", "severity", "event_name", "scope")

_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
# Widths that divide the next larger unit, so that buckets begin where clocks and calendars show round figures.
_WIDTHS_NS: Final = (
    *(step * _MS for step in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(step * _SECOND for step in (1, 2, 5, 10, 15, 30)),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(step * _DAY for step in (1, 2, 5, 10, 30, 100, 365)),
)


def nice_width_ns(duration_ns: int, buckets: int) -> int:
    """The smallest round width with which a range of this length has at most about `buckets` buckets."""
    for width in _WIDTHS_NS:
        if width * buckets >= duration_ns:
            return width
    return -(-duration_ns // buckets // _DAY) * _DAY


async def histogram(reader: Reader, selection: Selection, *, buckets: int) -> dict[str, Any]:
    """Lines by severity in buckets of a round width, empty ones included.

    Buckets are aligned to the width; the first and the last may reach beyond the range, and count only what is in it.
    """
    time_range = selection.time_range
    width = nice_width_ns(time_range.duration_ns, buckets)
    rows = await _rows(
        reader, selection, statement("histogram", condition=selection.condition.sql), {"width_ns": width}
    )
    counts = {(int(row["bucket"]), str(row["severity_name"])): int(row["lines"]) for row in rows}
    # Bounded by the number of buckets, never by the number of lines.
    numbers = range(time_range.start_ns // width, (time_range.end_ns - 1) // width + 1)
    return {
        "bucket_seconds": width / _SECOND,
        "total": sum(counts.values()),
        "buckets": [
            {
                "time": _rfc3339(number * width),
                "counts": {name: counts[number, name] for name in SEVERITIES if (number, name) in counts},
            }
            for number in numbers
        ],
    }


async def facets(reader: Reader, selection: Selection, names: Sequence[str], *, top: int) -> list[dict[str, Any]]:
    """For each field its most frequent values, with counts.

    Raises:
        InvalidInput: too many fields, or one that cannot be counted.
    """
    fields = list(dict.fromkeys(names))
    if len(fields) > MAX_FACETS:
        raise InvalidInput(f"At most {MAX_FACETS} fields can be counted at once, not {len(fields)}.")
    binder = Binder(prefix="f")
    columns = [f"{text_of_field(name, binder).value} AS c{number}" for number, name in enumerate(fields)]
    numbers = range(len(fields))
    sql = statement(
        "facets",
        condition=selection.condition.sql,
        columns=", ".join(columns),
        sets=", ".join(f"(c{n})" for n in numbers),
        numbers=", ".join(f"grouping(c{n}) = 0, {n}" for n in numbers),
        texts=", ".join(f"grouping(c{n}) = 0, toString(c{n})" for n in numbers),
    )
    rows = await _rows(reader, selection, sql, {**binder.params, "top": top})
    found: list[dict[str, Any]] = [{"field": name, "lines": 0, "distinct": 0, "values": []} for name in fields]
    for row in rows:
        facet = found[row["field"]]
        facet["lines"], facet["distinct"] = int(row["total"]), int(row["distinct_values"])
        facet["values"].append({"value": row["value"], "lines": int(row["lines"])})
    return found


async def _rows(reader: Reader, selection: Selection, sql: str, extra: dict[str, object]) -> list[dict[str, Any]]:
    return await reader.rows(selection.tenant, sql, params={**selection.params, **extra})


def _rfc3339(at_ns: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_ns // _SECOND)
    fraction = f".{at_ns % _SECOND // _MS:03d}" if at_ns % _SECOND else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
