"""What the matching spans have in common: their number, errors and durations by the value of one key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput
from vedette.server.query.traces.conditions import RANGE, Conditions, range_params, settle, value_expression
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["MAX_GROUPS", "break_down"]

MAX_GROUPS: Final = 1_000

_NO_GROUPS: Final = b'"total_count":0,"value_count":0,"groups":[]}'
_MAX_KEY_CHARACTERS: Final = 1_024


async def break_down(
    reader: Reader, tenant: str, *, by: str, conditions: Conditions, range_: TimeRange, limit: int
) -> bytes:
    """A JSON object: `by`, `total_count`, `value_count`, and `groups` of `value`, `count`, `error_count`, `p50_ms` ….

    Spans that have no such key are in no group. `total_count` and `value_count` tell of all values, those past `limit`
    included. Percentiles are estimates (t-digest).

    Raises:
        InvalidInput: `by` is empty or longer than any key.
    """
    if not by or len(by) > _MAX_KEY_CHARACTERS or "\0" in by:
        raise InvalidInput("Parameter 'by' is no key; write for example by=http.route or by=resource.host.name.")
    conditions = await settle(reader, tenant, conditions)
    bound = replace(conditions, params=dict(conditions.params))
    value, there = value_expression(bound, by)
    sql = statement("breakdown", range=RANGE, conditions=f"({conditions.sql})", value=value, there=there)
    params = {**bound.params, **range_params(range_), "limit": limit}
    settings = {"output_format_json_quote_64bit_integers": 0, "output_format_json_escape_forward_slashes": 0}
    answer = (await reader.query(tenant, sql, params=params, settings=settings)).strip()
    return b'{"by":' + json.dumps(by).encode() + b"," + (answer[1:] if answer else _NO_GROUPS)
