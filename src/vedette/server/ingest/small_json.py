"""Small requests of traces and logs in checked OTLP/JSON as messages of protobuf.

The tables of JSON cost the engine several times as much CPU for an insert, and most of who sends JSON (browsers,
scripts) sends a little at a time. A request whose rows would not be exactly those that the tables of JSON make of it
has no message here: numbers as text that are not in their plainest form, bytes within lists, values of several types at
once, values nested too deeply.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.ingest.otlp_json import AnyValue, KeyValue, Logs, Traces

__all__ = ["message_of"]

_DEEPEST: Final = 3
"""How many levels of lists the tables have; what lies deeper, each encoding keeps as it arrived."""
_NOT_FINITE: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def message_of(request: Traces | Logs, message: type[Any]) -> bytes | None:
    """The request as bytes of the export request `message`; None where its rows could differ."""
    try:
        return bytes(message(**_fields(request)).SerializeToString())
    except ValueError:  # also of a number past its field, and of text that is no Unicode
        return None


def _fields(item: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the structures of `otlp_json`
    """A structure as what the constructor of its message takes; their fields have the same names."""
    return {
        name: convert(value) if (convert := _CONVERT.get(name)) else value
        for name, value in asdict(item).items()
        if value is not None
    }


def _many(items: list[Any]) -> list[dict[str, Any]]:
    return [_fields(item) for item in items]


def _whole(number: int | str) -> int:
    value = int(number)
    if str(value) != str(number):
        raise ValueError(number)
    return value


def _pairs(pairs: list[KeyValue], depth: int = 0) -> list[dict[str, Any]]:
    return [{"key": pair.key, "value": _value(pair.value, depth)} for pair in pairs]


def _value(value: AnyValue | None, depth: int = 0) -> dict[str, Any]:
    given = [(name, content) for name, content in asdict(value).items() if content is not None] if value else []
    if len(given) > 1:
        raise ValueError(given)
    return {name: _content(name, content, depth) for name, content in given}


def _content(name: str, content: Any, depth: int) -> Any:  # noqa: ANN401 - whatever the field holds
    match name:
        case "int_value":
            return _whole(content)
        case "double_value":
            return _number(content)
        case "bytes_value":
            return _data(content, depth)
        case "array_value":
            return {"values": [_value(one, _below(depth)) for one in content.values or ()]}
        case "kvlist_value":
            return {"values": _pairs(content.values or [], _below(depth))}
    return content


def _below(depth: int) -> int:
    if depth == _DEEPEST:
        raise ValueError(depth)
    return depth + 1


def _number(number: float | str) -> float:
    if not isinstance(number, str):
        return number
    if number not in _NOT_FINITE:
        raise ValueError(number)
    return _NOT_FINITE[number]


def _data(text: str, depth: int) -> bytes:
    data = binascii.a2b_base64(text)
    if depth or binascii.b2a_base64(data, newline=False).decode() != text:
        raise ValueError(text)
    return data


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("resource_spans", "scope_spans", "spans", "events", "links"), _many),
    **dict.fromkeys(("resource_logs", "scope_logs", "log_records"), _many),
    **dict.fromkeys(("resource", "scope", "status"), _fields),
    **dict.fromkeys(("trace_id", "span_id", "parent_span_id"), bytes.fromhex),
    **dict.fromkeys(("time_unix_nano", "observed_time_unix_nano"), _whole),
    **dict.fromkeys(("start_time_unix_nano", "end_time_unix_nano"), _whole),
    "attributes": _pairs,
    "body": _value,
}
