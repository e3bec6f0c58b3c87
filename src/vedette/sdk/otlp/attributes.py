"""Attributes as repeated KeyValue fields, with the finished bytes of common pairs kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.otlp.wire import VARINTS, any_value, delimited, key_value, utf8, varint
from vedette.sdk.values import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.sdk.redaction import Redactor

__all__ = ["AttributeEncoder"]

_KEPT = 4096
_KEPT_CHARS = 64
_INT_MAX = (1 << 63) - 1


class AttributeEncoder:
    """Encodes the attributes of one kind of message, whose field they are under `tag`.

    Redaction happens here, before bytes exist, and strings beyond `longest` characters are cut.
    """

    def __init__(self, tag: bytes, redactor: Redactor, longest: int) -> None:
        self._tag = tag
        self._redactor = redactor
        self._longest = longest
        self._pairs: dict[tuple[str, Any], bytes] = {}
        self.left_out = 0  # pairs without a usable key; the caller reads and resets it
        self._heads: dict[str, bytes] = {}

    def encode(self, attributes: Mapping[str, Any]) -> bytes:
        """All of `attributes`; keys that are no non-empty strings are left out."""
        out = []
        pairs = self._pairs
        for key, value in attributes.items():
            # Only strings and booleans are looked up by value: 1 == 1.0 == True would share an entry.
            kind = type(value)
            known = pairs.get((key, value)) if kind is str else None
            if known is not None:
                out.append(known)
            elif kind is int and 0 <= value <= _INT_MAX and key in self._heads:
                out.append(self._integer(key, value))
            else:
                out.append(self._new(key, value))
        return b"".join(out)

    def _integer(self, key: str, value: int) -> bytes:
        head = self._heads[key]
        body = b"\x18" + varint(value)
        pair = head + VARINTS[len(body)] + body
        return self._tag + varint(len(pair)) + pair

    def _new(self, key: Any, value: Any) -> bytes:
        if type(key) is not str or not key:
            self.left_out += 1
            return b""
        value = clean(value)
        shown = self._redactor.value(key, value)
        kind = type(shown)
        if kind is str and len(shown) > self._longest:
            shown = shown[: self._longest]
        elif kind is int and shown is value and key not in self._heads:
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            name = utf8(key)
            self._heads[key] = b"\x0a" + varint(len(name)) + name + b"\x12"
        elif kind in {tuple, dict, bytes} and len(any_value(shown)) > self._longest:
            shown = str(shown)[: self._longest]
        pair = key_value(self._tag, key, shown)
        if type(value) is str and len(value) < _KEPT_CHARS:
            if len(self._pairs) >= _KEPT:
                self._pairs.clear()
            self._pairs[key, value] = pair
        return pair

    def message(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        """The attributes inside a message of their own, such as a Resource."""
        return delimited(tag, self.encode(attributes))
