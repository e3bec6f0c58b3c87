"""Checked OTLP/JSON metrics as a message of protobuf, for what only knows messages: the sums of deltas, for one.

Few send such metrics in JSON, and those are browsers with little of it. But a large request as objects takes twenty
times its size, so what stands in lists is read one by one, and the bytes around it are not read at all.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from vedette.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["message_of_json"]

_LISTS: Final = ("resourceMetrics", "scopeMetrics", "metrics", "dataPoints")
_DATA: Final = frozenset({"gauge", "sum", "histogram", "exponentialHistogram", "summary"})
_NOTHING: Final = msgspec.Raw(b"null")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw] | None)


def message_of_json(canonical: bytes) -> Any:  # noqa: ANN401 - generated messages have no types
    """The ``ExportMetricsServiceRequest`` of a checked request.

    Raises:
        InvalidInput: A value does not fit its field.
    """
    message = ExportMetricsServiceRequest()
    try:
        _merge(canonical, message, _LISTS)
    except ParseError as error:
        raise InvalidInput(f"The body is not OTLP/JSON: {error}.") from error
    return message


def _merge(text: bytes | msgspec.Raw, message: Any, lists: Sequence[str]) -> None:  # noqa: ANN401
    """Read an object into a message. `lists` are the lists within it, from the outermost."""
    whole = {}
    for name, content in _members.decode(text).items():
        if name == lists[0]:
            into = getattr(message, _snake(name))
            for element in _elements.decode(content) or ():
                if lists[1:]:
                    _merge(element, into.add(), lists[1:])
                else:
                    _parse(msgspec.json.decode(element), into.add())
        elif lists == _LISTS[-1:] and name in _DATA and content != _NOTHING:
            data = getattr(message, _snake(name))
            data.SetInParent()
            _merge(content, data, lists)
        else:
            whole[name] = msgspec.json.decode(content)
    _parse(whole, message)


def _parse(document: Any, message: Any) -> None:  # noqa: ANN401
    ParseDict(_protobuf_json(document), message, ignore_unknown_fields=True)


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _protobuf_json(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """OTLP/JSON as protobuf's own JSON has it: ids in base64, no null in a list."""
    if isinstance(node, list):
        return [{} if item is None else _protobuf_json(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: binascii.b2a_base64(bytes.fromhex(value), newline=False).decode()
        if key in {"traceId", "spanId"} and value
        else _protobuf_json(value)
        for key, value in node.items()
    }
