"""Names and values of attributes while somebody types, counted over the newest spans of the range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.server.query.traces.conditions import RANGE, Conditions, range_params, value_expression
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["MAX_COMPLETIONS", "SCANNED_SPANS", "attribute_keys", "attribute_values"]

MAX_COMPLETIONS: Final = 1_000

SCANNED_SPANS: Final = 200_000
"""How many spans of the range, the newest ones, are looked at: typing is not made to wait for a month of them."""

_SETTINGS: Final = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_array_of_rows": 1,
}


async def attribute_keys(reader: Reader, tenant: str, *, prefix: str, range_: TimeRange, limit: int) -> bytes:
    """``{"attributes": [{"key", "count"}]}``: most frequent first; a resource's keys begin with ``resource.``."""
    params = {**range_params(range_), "prefix": prefix, "limit": limit, "scan": SCANNED_SPANS}
    rows = await reader.query(tenant, statement("attribute_keys", range=RANGE), params=params, settings=_SETTINGS)
    return b'{"attributes":' + rows.strip() + b"}"


async def attribute_values(
    reader: Reader, tenant: str, *, key: str, prefix: str, range_: TimeRange, limit: int
) -> bytes:
    """``{"values": [{"value", "count"}]}``: most frequent first. The key is one that `break_down` takes."""
    conditions = Conditions()
    value, there = value_expression(conditions, key)
    sql = statement("attribute_values", range=RANGE, value=value, there=there)
    params = {**conditions.params, **range_params(range_), "prefix": prefix, "limit": limit, "scan": SCANNED_SPANS}
    rows = await reader.query(tenant, sql, params=params, settings=_SETTINGS)
    return b'{"values":' + rows.strip() + b"}"
