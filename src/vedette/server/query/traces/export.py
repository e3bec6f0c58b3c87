"""The spans that a search matches, all of them, in a format to take away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput
from vedette.server.query.traces.conditions import RANGE, range_params, settle
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange
    from vedette.server.query.traces.conditions import Conditions

__all__ = ["EXPORT_FORMATS", "ExportFormat", "export_format", "export_spans"]

# The columns carry the names of the table's, so the conditions must mean the table's.
_SETTINGS: Final[Mapping[str, object]] = {
    "prefer_column_name_to_alias": 1,
    "output_format_json_escape_forward_slashes": 0,
}


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format: its statement, the engine's name for it, and what it is called outside."""

    statement: str
    engine_format: str
    media_type: str
    extension: str
    settings: Mapping[str, object] = field(default_factory=dict)


EXPORT_FORMATS: Final[Mapping[str, ExportFormat]] = {
    "ndjson": ExportFormat("export_json", "TSVRaw", "application/x-ndjson", "ndjson"),
    "csv": ExportFormat(
        "export_csv",
        "CSVWithNames",
        "text/csv; charset=utf-8",
        "csv",
        {"output_format_csv_crlf_end_of_line": 1},
    ),
    "arrow": ExportFormat("export_table", "ArrowStream", "application/vnd.apache.arrow.stream", "arrows"),
    "parquet": ExportFormat("export_table", "Parquet", "application/vnd.apache.parquet", "parquet"),
}


def export_format(name: str) -> ExportFormat:
    """The format of this name.

    Raises:
        InvalidInput: there is none.
    """
    found = EXPORT_FORMATS.get(name)
    if found is None:
        raise InvalidInput(f"Parameter 'format' is one of {', '.join(EXPORT_FORMATS)}, not {name[:60]!r}.")
    return found


async def export_spans(
    reader: Reader, tenant: str, format_: ExportFormat, *, conditions: Conditions, range_: TimeRange, limit: int
) -> AsyncIterator[bytes]:
    """At most `limit` matching spans, oldest first, in pieces."""
    conditions = await settle(reader, tenant, conditions)
    sql = statement(format_.statement, range=RANGE, conditions=f"({conditions.sql})")
    params = {**conditions.params, **range_params(range_), "limit": limit}
    settings = {**_SETTINGS, **format_.settings}
    async with reader.stream(tenant, sql, fmt=format_.engine_format, params=params, settings=settings) as chunks:
        async for chunk in chunks:
            yield chunk
