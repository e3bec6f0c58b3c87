"""Instances, versions and what a new version changed, from the resources that spans carry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import InvalidInput
from vedette.server.query.overview.errors import MAX_ERRORS, ErrorFilter, error_kinds
from vedette.server.query.patterns.logs import before
from vedette.server.query.sqlfiles import SqlFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["compare_releases", "instances", "releases"]

_FILES: Final = SqlFiles(Path(__file__).parent)
_NUMBERS: Final = {"output_format_json_quote_64bit_integers": 0}
_ROWS: Final = 1_000
_SECOND: Final = 1_000_000_000
_FIGURES: Final = ("request_count", "error_count", "rate", "error_rate", "p50_ms", "p95_ms", "p99_ms")


async def instances(reader: Reader, tenant: str, *, service: str, range_: TimeRange) -> dict[str, Any]:
    """``{"instances": […]}``: who ran the service in the range, the busiest first."""
    sql = _FILES.statement("instances")
    return {"instances": await reader.rows(tenant, sql, params=_params(service, range_), settings=_NUMBERS)}


async def releases(reader: Reader, tenant: str, *, service: str, range_: TimeRange) -> dict[str, Any]:
    """``{"releases": […]}``: the versions of the service that ran in the range, the newest first.

    `first_seen` reaches into the time before the range (see `patterns.logs.before`), and so does `is_new`.
    """
    params = _params(service, range_) | {"range_ns": range_.start_ns, "start_ns": before(range_).start_ns}
    rows = await reader.rows(tenant, _FILES.statement("releases"), params=params, settings=_NUMBERS)
    return {"releases": [{**row, "is_new": bool(row["is_new"])} for row in rows]}


async def compare_releases(
    reader: Reader, tenant: str, *, service: str, base: str, target: str, range_: TimeRange
) -> dict[str, Any]:
    """``{"base", "target", "operations", "errors"}``: two versions side by side; null where one has nothing.

    Raises:
        InvalidInput: both are the same version.
    """
    if base == target:
        raise InvalidInput("Parameters 'base' and 'target' name the same version; name two.")
    params = _params(service, range_) | {"base": base, "target": target}
    rows, base_errors, target_errors = await asyncio.gather(
        reader.rows(tenant, _FILES.statement("compare"), params=params, settings=_NUMBERS),
        *(
            error_kinds(reader, tenant, wanted=ErrorFilter(service, version=v), range_=range_, limit=MAX_ERRORS)
            for v in (base, target)
        ),
    )
    whole = {str(row["version"]): _figures(row) for row in rows if row["is_whole"]}
    operations: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if not row["is_whole"]:
            operations.setdefault((row["operation"], row["kind_name"]), {})[str(row["version"])] = _figures(row)
    return {
        "base": whole.get(base),
        "target": whole.get(target),
        "operations": [
            {"name": name, "kind": kind, "base": found.get(base), "target": found.get(target)}
            for (name, kind), found in operations.items()
        ],
        "errors": _errors(base_errors["errors"], target_errors["errors"]),
    }


def _errors(base: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kinds of errors of both, those first that became more frequent."""
    merged: dict[tuple[str, str, str], list[int]] = {}
    for side, errors in enumerate((base, target)):
        for error in errors:
            merged.setdefault((error["kind"], error["message"], error["operation"]), [0, 0])[side] += error["count"]
    found = [
        {"kind": kind, "message": message, "operation": operation, "base_count": counts[0], "target_count": counts[1]}
        for (kind, message, operation), counts in merged.items()
    ]
    return sorted(found, key=lambda error: (error["base_count"] > 0, error["base_count"] - error["target_count"]))


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _FIGURES}


def _params(service: str, range_: TimeRange) -> dict[str, object]:
    return {
        "service": service,
        "start_ns": range_.start_ns,
        "end_ns": range_.end_ns,
        "seconds": range_.duration_ns / _SECOND,
        "limit": _ROWS,
    }
