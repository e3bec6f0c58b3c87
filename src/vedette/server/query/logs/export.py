"""Log lines as files: NDJSON, CSV, Arrow and Parquet, streamed from the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from vedette.server.query.logs.statements import LINE, statement
from vedette.server.query.sqlfiles import rows_written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.logs.page import Order
    from vedette.server.query.logs.selection import Selection
    from vedette.server.query.reader import Reader

__all__ = ["EXPORTS", "Export", "ExportFormat", "export_lines"]

ExportFormat = Literal["ndjson", "csv", "arrow", "parquet"]


@dataclass(frozen=True, slots=True)
class Export:
    """A file format: the statement and the engine's format that make it, its media type and its file extension."""

    statement: str
    engine_format: str
    media_type: str
    extension: str


EXPORTS: Final[dict[ExportFormat, Export]] = {
    "ndjson": Export("export_ndjson", "Template", "application/x-ndjson", "ndjson"),
    "csv": Export("export_csv", "CSVWithNames", "text/csv; charset=utf-8", "csv"),
    "arrow": Export("export_columns", "ArrowStream", "application/vnd.apache.arrow.stream", "arrows"),
    "parquet": Export("export_columns", "Parquet", "application/vnd.apache.parquet", "parquet"),
}

_SETTINGS: Final = {
    "output_format_arrow_string_as_string": 1,
    "output_format_parquet_string_as_string": 1,
    **rows_written(f"{LINE}\n", between=""),
}


async def export_lines(
    reader: Reader, selection: Selection, export: Export, *, order: Order, limit: int
) -> AsyncIterator[bytes]:
    """The bytes of the file. The whole answer takes one pass, so it is bounded by the time limit of a query."""
    sql = statement(
        export.statement, condition=selection.condition.sql, direction="DESC" if order == "newest" else "ASC"
    )
    async with reader.stream(
        selection.tenant,
        sql,
        fmt=export.engine_format,
        params={**selection.params, "limit": limit},
        settings=_SETTINGS,
    ) as chunks:
        async for chunk in chunks:
            yield chunk
