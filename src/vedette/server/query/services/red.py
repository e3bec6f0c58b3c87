"""Rate, errors and durations (RED) of services and operations, and who calls whom.

Everything comes from rollups by the minute: a range is widened to whole minutes, and rates are counted over the widened
range. A service's figures are those of what it was asked to do, its server and consumer spans; those of a service
without any are of all its spans. Percentiles are estimates, in milliseconds, null where nothing was counted.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput
from vedette.server.query.timerange import TimeRange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.server.query.reader import Reader

__all__ = [
    "MAX_POINTS",
    "MINUTE_NS",
    "default_step_ns",
    "operations",
    "red_series",
    "service_map",
    "services",
    "trends",
]

MINUTE_NS: Final = 60_000_000_000
MAX_POINTS: Final = 11_000
"""Points of one time series at most, as in Prometheus."""

_POINTS: Final = 120
_HOUR_SECONDS: Final = 3600
_FOLDER: Final = Path(__file__).parent
_SETTINGS: Final = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_array_of_rows": 1,
    # Both sides of a join are small, and one would wait for the other.
    "enable_join_runtime_filters": 0,
}


async def services(reader: Reader, tenant: str, *, range_: TimeRange) -> bytes:
    """``{"from", "to", "services": […]}``: every service that had a span in the range, by name."""
    return await _answer(reader, tenant, "services", {}, member="services", range_=_whole_minutes(range_))


async def operations(reader: Reader, tenant: str, *, service: str, range_: TimeRange) -> bytes:
    """``{"from", "to", "operations": […]}``: one service's operations (name and kind), the busiest first."""
    return await _answer(
        reader, tenant, "operations", {"service": service}, member="operations", range_=_whole_minutes(range_)
    )


async def red_series(
    reader: Reader, tenant: str, *, service: str, operation: str, range_: TimeRange, step_ns: int
) -> bytes:
    """``{"from", "to", "step_seconds", "points": […]}``: RED over time, a point for every step, empty ones too.

    Raises:
        InvalidInput: the step is no multiple of a minute, or there would be more than `MAX_POINTS`.
    """
    if step_ns <= 0 or step_ns % MINUTE_NS:
        raise InvalidInput("Parameter 'step' is a whole number of minutes, for example 1m, 5m or 1h.")
    start_ns = range_.start_ns // step_ns * step_ns
    end_ns = -(-range_.end_ns // step_ns) * step_ns
    if (end_ns - start_ns) // step_ns > MAX_POINTS:
        raise InvalidInput(f"Parameter 'step' makes more than {MAX_POINTS} points of this range; make it larger.")
    params = {"service": service, "step_seconds": step_ns // 1_000_000_000}
    name = "service_series"
    if operation:
        params["operation"], name = operation, "red_series"
    return await _answer(reader, tenant, name, params, member="points", range_=TimeRange(start_ns, end_ns))


async def service_map(reader: Reader, tenant: str, *, range_: TimeRange) -> bytes:
    """``{"from", "to", "edges": […]}``: who called whom, with RED."""
    return await _answer(reader, tenant, "service_map", {}, member="edges", range_=_whole_minutes(range_))


async def trends(reader: Reader, tenant: str, *, range_: TimeRange, points: int) -> bytes:
    """``{"from", "to", "step_seconds", "services": […]}``: every service over time, at most about `points` steps."""
    step_ns = max(1, -(-range_.duration_ns // (points * MINUTE_NS))) * MINUTE_NS
    start_ns = range_.start_ns // step_ns * step_ns
    end_ns = -(-range_.end_ns // step_ns) * step_ns
    params = {"step_seconds": step_ns // 1_000_000_000, "points": (end_ns - start_ns) // step_ns}
    return await _answer(reader, tenant, "trends", params, member="services", range_=TimeRange(start_ns, end_ns))


def default_step_ns(range_: TimeRange) -> int:
    """The whole minutes that cut a range into about 120 points."""
    return max(1, round(range_.duration_ns / _POINTS / MINUTE_NS)) * MINUTE_NS


def _whole_minutes(range_: TimeRange) -> TimeRange:
    return TimeRange(range_.start_ns // MINUTE_NS * MINUTE_NS, -(-range_.end_ns // MINUTE_NS) * MINUTE_NS)


def _whole_hours(start: int, end: int) -> dict[str, int]:
    """The hours that lie in the range as a whole (Unix seconds): their figures are merged already."""
    first, last = -(-start // _HOUR_SECONDS) * _HOUR_SECONDS, end // _HOUR_SECONDS * _HOUR_SECONDS
    return {"first_hour": first, "last_hour": max(first, last)}


async def _answer(
    reader: Reader, tenant: str, name: str, params: Mapping[str, object], *, member: str, range_: TimeRange
) -> bytes:
    bounds = {"start": range_.start_ns // 1_000_000_000, "end": range_.end_ns // 1_000_000_000}
    bounds |= _whole_hours(bounds["start"], bounds["end"])
    rows = await reader.query(tenant, _statement(name), params={**bounds, **params}, settings=_SETTINGS)
    head: dict[str, object] = {"from": _rfc3339(bounds["start"]), "to": _rfc3339(bounds["end"])}
    if "step_seconds" in params:
        head["step_seconds"] = params["step_seconds"]
    return json.dumps(head)[:-1].encode() + f', "{member}": '.encode() + rows.strip() + b"}"


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _statement(name: str) -> str:
    parts = {"Figures": "figures", "Red": "red", "ServiceRed": "service_red"}
    shared = {part: (_FOLDER / f"{file}.sql").read_text(encoding="utf-8").rstrip() for part, file in parts.items()}
    return Template((_FOLDER / f"{name}.sql").read_text(encoding="utf-8")).substitute(shared)
