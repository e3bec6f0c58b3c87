"""Names and values of fields while somebody types, from the newest lines of the range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.conditions import Binder
from vedette.server.query.logs.fields import COLUMNS, text_of_field
from vedette.server.query.logs.statements import statement

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["MAX_COMPLETIONS", "field_names", "field_values"]

MAX_COMPLETIONS: Final = 1_000

_SAMPLED_LINES: Final = 100_000
"""What was logged last tells what can be asked; reading more would only make typing slow."""


async def field_names(
    reader: Reader, tenant: str, time_range: TimeRange, *, prefix: str, limit: int
) -> list[dict[str, Any]]:
    """``{"name", "kind"}`` of columns, then of attributes and members of resources, most frequent first."""
    columns = [name for name in COLUMNS if name.startswith(prefix.lower())]
    rows = await reader.rows(tenant, statement("field_names"), params=_params(tenant, time_range, prefix, limit))
    found = [{"name": name, "kind": "column"} for name in columns]
    found += [{"name": str(row["name"]), "kind": str(row["kind"])} for row in rows]
    return found[:limit]


async def field_values(
    reader: Reader, tenant: str, name: str, time_range: TimeRange, *, prefix: str, limit: int
) -> list[dict[str, Any]]:
    """``{"value", "lines"}`` of one field, most frequent first.

    Raises:
        InvalidInput: the field's values are no texts worth counting.
    """
    binder = Binder()
    field = text_of_field(name, binder)
    sql = statement("field_values", value=field.value, present=field.present)
    rows = await reader.rows(tenant, sql, params={**_params(tenant, time_range, prefix, limit), **binder.params})
    return [{"value": row["value"], "lines": int(row["lines"])} for row in rows]


def _params(tenant: str, time_range: TimeRange, prefix: str, limit: int) -> dict[str, object]:
    return {
        "tenant": tenant,
        "start_ns": time_range.start_ns,
        "end_ns": time_range.end_ns,
        "prefix": prefix,
        "limit": limit,
        "sample": _SAMPLED_LINES,
    }
