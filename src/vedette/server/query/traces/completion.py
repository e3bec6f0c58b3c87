"""Names and values of attributes while somebody types, from the rollups.

The rollups keep a sample: counts rank, they do not count. Only those of a span's own fields are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.server.query.traces.conditions import range_params
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["MAX_COMPLETIONS", "attribute_keys", "attribute_values"]

MAX_COMPLETIONS: Final = 1_000

_FIELDS: Final = {"service": "service", "name": "name", "operation": "name", "kind": "kind", "status": "status"}

# The rollups are kept by the month.
_SEEN: Final = (
    "signal = 'traces' AND month BETWEEN toStartOfMonth(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC')) "
    "AND toStartOfMonth(fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))"
)
_SETTINGS: Final = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_array_of_rows": 1,
}


async def attribute_keys(reader: Reader, tenant: str, *, prefix: str, range_: TimeRange, limit: int) -> bytes:
    """``{"attributes": [{"key", "count"}]}``: most frequent first; a resource's keys begin with ``resource.``."""
    params = {**range_params(range_), "prefix": prefix, "limit": limit}
    rows = await reader.query(tenant, statement("attribute_keys", seen=_SEEN), params=params, settings=_SETTINGS)
    return b'{"attributes":' + rows.strip() + b"}"


async def attribute_values(
    reader: Reader, tenant: str, *, key: str, prefix: str, range_: TimeRange, limit: int
) -> bytes:
    """``{"values": [{"value", "count"}]}``: most frequent first.

    The key is one that `breakdown.break_down` takes: a field, ``resource.KEY``, ``attribute.KEY``, or just a name.
    """
    params: dict[str, object] = {**range_params(range_), "prefix": prefix, "limit": limit}
    if key in _FIELDS:
        sql = statement("field_values", field=_FIELDS[key])
    else:
        place, dot, name = key.partition(".")
        placed = place in {"resource", "attribute"} and dot
        params |= {"key": name if placed else key, "places": [place] if placed else ["attribute", "resource"]}
        sql = statement("attribute_values", seen=_SEEN)
    rows = await reader.query(tenant, sql, params=params, settings=_SETTINGS)
    return b'{"values":' + rows.strip() + b"}"
