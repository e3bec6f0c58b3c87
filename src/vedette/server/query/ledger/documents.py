"""The ledger and usage as JSON documents, written by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["LedgerFilter", "ledger_document", "usage_document"]

_FOLDER: Final = Path(__file__).parent
_WANTED: Final = """
    tenant = {tenant:String}
    AND entry.time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC')
    AND entry.time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    AND ({signal:String} = '' OR signal = {signal:String})
    AND ({reason:String} = '' OR reason = {reason:String})
"""
_SETTINGS: Final = {
    "format_custom_escaping_rule": "Raw",
    "format_custom_field_delimiter": "",
    "format_custom_row_before_delimiter": "",
    "format_custom_row_after_delimiter": "",
    "format_custom_row_between_delimiter": ",\n",
    "format_custom_result_before_delimiter": "",
    "format_custom_result_after_delimiter": "",
    "output_format_json_quote_64bit_integers": 0,
}
"""The format CustomSeparated writes rows of JSON text as the inside of a JSON array then."""


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which lines of the ledger; an empty signal or reason means every one."""

    time_range: TimeRange
    signal: str = ""
    reason: str = ""

    def params(self, tenant: str) -> dict[str, object]:
        """As the parameters of the statements."""
        return {
            "tenant": tenant,
            "start_ns": self.time_range.start_ns,
            "end_ns": self.time_range.end_ns,
            "signal": self.signal,
            "reason": self.reason,
        }


async def ledger_document(reader: Reader, tenant: str, wanted: LedgerFilter, *, limit: int) -> AsyncIterator[bytes]:
    """``{"totals": [...], "entries": [...]}``: sums by signal and reason, and single entries, newest first."""
    params = wanted.params(tenant)
    totals = await reader.query(tenant, _statement("totals"), fmt="CustomSeparated", params=params, settings=_SETTINGS)
    yield b'{"totals":[' + totals + b'],"entries":['
    async with reader.stream(
        tenant,
        _statement("entries"),
        fmt="CustomSeparated",
        params={**params, "limit": limit},
        settings=_SETTINGS,
    ) as chunks:
        async for chunk in chunks:
            yield chunk
    yield b"]}\n"


async def usage_document(reader: Reader, tenant: str, time_range: TimeRange, *, signal: str) -> AsyncIterator[bytes]:
    """``{"usage": [{"hour", "signal", "rows", "bytes"}]}``, oldest first. Hours count whole."""
    params = {
        "tenant": tenant,
        "start_ns": time_range.start_ns,
        "end_ns": time_range.end_ns,
        "signal": signal,
    }
    usage = await reader.query(tenant, _statement("usage"), fmt="CustomSeparated", params=params, settings=_SETTINGS)
    yield b'{"usage":[' + usage + b"]}\n"


def _statement(name: str) -> str:
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return Template(text).substitute(wanted=_WANTED)
