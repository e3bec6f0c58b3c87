"""Read-only SQL over the caller's tenant."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from typing_extensions import TypedDict

from vedette.errors import InvalidInput
from vedette.server.api.answers import streamed
from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.trace_examples import example
from vedette.server.query.sql.running import run_statement, schema, split_format

__all__ = ["router"]


class SqlColumn(TypedDict):
    """A column and its type in ClickHouse's words."""

    name: str
    type: str


class SqlTable(TypedDict):
    """A table that statements may read."""

    name: str
    columns: list[SqlColumn]


class SqlSchema(TypedDict):
    """What statements may read."""

    tables: list[SqlTable]


router = APIRouter(prefix="/api/v1/sql", tags=["sql"])

_MEDIA_TYPES: Final = {
    "JSON": "application/json; charset=utf-8",
    "JSONCompact": "application/json; charset=utf-8",
    "JSONColumns": "application/json; charset=utf-8",
    "JSONEachRow": "application/x-ndjson; charset=utf-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=utf-8",
    "CSV": "text/csv; charset=utf-8; header=absent",
    "CSVWithNames": "text/csv; charset=utf-8; header=present",
    "TSV": "text/tab-separated-values; charset=utf-8",
    "TSVWithNames": "text/tab-separated-values; charset=utf-8",
    "TabSeparated": "text/tab-separated-values; charset=utf-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=utf-8",
    "Arrow": "application/vnd.apache.arrow.file",
    "ArrowStream": "application/vnd.apache.arrow.stream",
    "Parquet": "application/vnd.apache.parquet",
    "Markdown": "text/markdown; charset=utf-8",
    "XML": "application/xml; charset=utf-8",
}
_OTHER_TEXT: Final = ("Pretty", "Vertical", "Values", "Template", "Custom", "TSV", "TabSeparated", "TSKV", "JSON")
_STATEMENT: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "SELECT service, count() FROM spans WHERE time > now() - INTERVAL 1 HOUR GROUP BY ALL",
            }
        },
    }
}
_SCHEMA: Final = {"tables": [{"name": "spans", "columns": [{"name": "time", "type": "DateTime64(9, 'UTC')"}]}]}


@router.post("", summary="Ask in SQL", openapi_extra=_STATEMENT)
async def run_sql(
    request: Request,
    caller: Caller,
    format_: Annotated[
        str,
        Query(
            alias="format",
            max_length=64,
            description="Any output format of ClickHouse: JSONEachRow, JSON, CSVWithNames, Parquet, ArrowStream …",
        ),
    ] = "JSONEachRow",
) -> Response:
    """One SELECT, WITH or UNION in ClickHouse's dialect, as the body, over the tables of `GET /api/v1/sql/schema`.

    A FORMAT clause at the end wins over the parameter. Rows of other tenants do not exist; limits of time, memory and
    rows answer 422. Closing the connection cancels the query.
    """
    body = await request.body()
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The statement is not UTF-8 (byte {error.start}).") from None
    sql, name = await split_format(text, format_)
    pieces = run_statement(services_of(request).reader, caller.tenant, sql, name)
    return await streamed(pieces, _media_type(name))


@router.get("/schema", summary="Tables and columns for SQL", responses=example(_SCHEMA, model=SqlSchema))
async def sql_schema(request: Request, caller: Caller) -> dict[str, Any]:
    """What statements may read."""
    return {"tables": await schema(services_of(request).reader, caller.tenant)}


def _media_type(format_name: str) -> str:
    fallback = "text/plain; charset=utf-8" if format_name.startswith(_OTHER_TEXT) else "application/octet-stream"
    return _MEDIA_TYPES.get(format_name, fallback)
