"""Attributes as repeated KeyValue fields, with the finished bytes of common pairs kept.

What was encoded is found by the value's type, its key and itself (to a dictionary 1, 1.0 and True are one). Each key
has values of its own, so that one whose values never come again does not push out those of the others; of such a key
nothing is kept any more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.otlp.wire import VARINTS, any_value, delimited, key_value, utf8, varint
from vedette.sdk.values import Shared, clean, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.sdk.redaction import Redactor

__all__ = ["AttributeEncoder", "SharedBytes"]

_KEPT_KEYS = 1024
_KEPT_VALUES = 256
_FILLINGS = 4
_KEPT_PAIRS = 8192
_KEPT_SHARED = 2048
_KEPT_BYTES = 160
_VARINTS_KEPT = len(VARINTS)
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_float = struct.Struct("<d").pack
_FLOAT_BYTES = 9


class AttributeEncoder:
    """Encodes the attributes of one kind of message, whose field they are under `tag`.

    Redaction happens here, before bytes exist, and strings beyond `longest` characters are cut.
    """

    def __init__(self, tag: bytes, redactor: Redactor, longest: int) -> None:
        self._tag = tag
        self._redactor = redactor
        self._longest = longest
        self.kinds = _Kinds({kind: _Keys(self, kind) for kind in (str, int, bool, float)}, _Foreign(self))
        self.kept = 0  # pairs, of all keys
        self.left_out = 0  # pairs without a usable key; the caller reads and resets it

    def encode(self, attributes: Mapping[str, Any]) -> bytes:
        """All of `attributes`; keys that are no non-empty strings are left out."""
        kinds = self.kinds
        return b"".join([kinds[type(value)][key][value] for key, value in attributes.items()])

    def encode_once(self, attributes: Mapping[str, Any]) -> bytes:
        """The same without keeping anything, for values that hardly come again."""
        kinds = self.kinds
        return b"".join([kinds[type(value)][key].make(value) for key, value in attributes.items()])

    def message(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        """The attributes inside a message of their own, such as a Resource."""
        return delimited(tag, self.encode(attributes))

    def forget(self) -> None:
        """Begin anew with what is kept."""
        self.kept = 0
        for keys in self.kinds.values():
            keys.clear()

    def maker(self, kind: type, key: str) -> Callable[[Any], bytes]:
        """The function that encodes the values of this type under `key`."""
        if self._redactor.secret_key(key) or kind is bool:
            return lambda value: self.pair(key, value)
        name = utf8(key)
        tag, head = self._tag, b"\x0a" + varint(len(name)) + name + b"\x12"
        if kind is float:
            whole = tag + varint(len(head) + 1 + _FLOAT_BYTES) + head + varint(_FLOAT_BYTES) + b"\x21"
            return lambda value: whole + _float(value)
        if kind is int:
            # What stands before an integer whose varint has so many bytes.
            heads = [tag + varint(len(head) + 2 + size) + head + varint(1 + size) + b"\x18" for size in range(11)]

            def integer(value: int) -> bytes:
                if 0 <= value < _VARINTS_KEPT:
                    number = VARINTS[value]
                elif _INT_MIN <= value <= _INT_MAX:
                    number = varint(value)
                else:
                    return self.pair(key, value)
                return heads[len(number)] + number

            return integer
        longest, redact = self._longest, self._redactor.text
        before: dict[int, bytes] = {}  # what stands before a text of so many bytes

        def string(value: str) -> bytes:
            shown = redact(value)[:longest]
            try:
                text = shown.encode()
            except UnicodeEncodeError:
                text = utf8(shown)
            size = len(text)
            known = before.get(size)
            if known is None:
                body = b"\x0a" + varint(size)
                inner = head + varint(len(body) + size) + body
                known = tag + varint(len(inner) + size) + inner
                if size <= _KEPT_BYTES:
                    before[size] = known
            return known + text

        return string

    def pair(self, key: Any, value: Any) -> bytes:
        """One attribute of any type."""
        if type(key) is not str or not key:
            self.left_out += 1
            return b""
        shown = self._redactor.value(key, clean(value))
        kind = type(shown)
        if kind is str:
            shown = shown[: self._longest]
        elif kind in {tuple, dict, bytes} and len(any_value(shown)) > self._longest:
            shown = text_of(shown)[: self._longest]
        return key_value(self._tag, key, shown)


class SharedBytes(dict[Shared, bytes]):
    """What `encoder` made of attributes that many items share."""

    __slots__ = ("_encoder",)

    def __init__(self, encoder: AttributeEncoder) -> None:
        super().__init__()
        self._encoder = encoder

    def __missing__(self, shared: Shared) -> bytes:
        if len(self) >= _KEPT_SHARED:
            self.clear()
        encoded = self[shared] = self._encoder.encode(shared)
        return encoded


class _Pairs(dict[Any, bytes]):
    """The pairs of one key with values of one type. `make` makes one, `pair_of` gives one that may be kept."""

    __slots__ = ("_fillings", "_keys", "_name", "make")

    def __init__(self, keys: _Keys, name: str, make: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._keys = keys
        self._name = name
        self._fillings = _FILLINGS
        self.make = make

    @property
    def pair_of(self) -> Callable[[Any], bytes]:
        """What gives a pair for a value."""
        return self.__getitem__

    def __missing__(self, value: Any) -> bytes:
        pair = self.make(value)
        if len(pair) <= _KEPT_BYTES:
            encoder = self._keys.encoder
            if len(self) >= _KEPT_VALUES:
                encoder.kept -= len(self)
                self.clear()
                self._fillings -= 1
                if not self._fillings:
                    self._keys[self._name] = _Fresh(self.make)
                    return pair
            elif encoder.kept >= _KEPT_PAIRS:
                encoder.forget()
            self[value] = pair
            encoder.kept += 1
        return pair


class _Fresh:
    """Stands for `_Pairs` where values hardly come again: ids, paths with ids, measurements."""

    __slots__ = ("make", "pair_of")

    def __init__(self, make: Callable[[Any], bytes]) -> None:
        self.make = self.pair_of = make

    def __getitem__(self, value: Any) -> bytes:
        return self.make(value)


class _Keys(dict[Any, Any]):
    """The pairs by key, for values of one type."""

    __slots__ = ("_kind", "encoder")

    def __init__(self, encoder: AttributeEncoder, kind: type) -> None:
        super().__init__()
        self.encoder = encoder
        self._kind = kind

    def __missing__(self, key: Any) -> Any:
        encoder = self.encoder
        if type(key) is not str or not key:
            return _Foreign(encoder)[key]
        if len(self) >= _KEPT_KEYS:
            encoder.forget()
        make = encoder.maker(self._kind, key)
        # Floats are not kept: 0.0 and -0.0 are equal, and others hardly come again.
        pairs = self[key] = _Fresh(make) if self._kind is float else _Pairs(self, key, make)
        return pairs


class _Foreign:
    """Stands for `_Keys` where values are not kept: those that no dictionary can hold, and those without a key."""

    __slots__ = ("_encoder",)

    def __init__(self, encoder: AttributeEncoder) -> None:
        self._encoder = encoder

    def __getitem__(self, key: Any) -> _ForeignPairs:
        return _ForeignPairs(self._encoder, key)


class _ForeignPairs:
    """Stands for `_Pairs` there."""

    __slots__ = ("_encoder", "_key")

    def __init__(self, encoder: AttributeEncoder, key: Any) -> None:
        self._encoder = encoder
        self._key = key

    def make(self, value: Any) -> bytes:
        return self._encoder.pair(self._key, value)

    __getitem__ = pair_of = make


class _Kinds(dict[type, Any]):
    """The keys by the type of their values."""

    __slots__ = ("_others",)

    def __init__(self, known: dict[type, Any], others: _Foreign) -> None:
        super().__init__(known)
        self._others = others

    def __missing__(self, kind: type) -> _Foreign:
        return self._others
