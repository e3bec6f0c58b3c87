"""Protobuf as a sender may write it, too: legal, and unlike what the usual encoders make of the same message."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_STRANGE_NUMBERS = (20, 99, 1000, 1001, 1002, 19_000, (1 << 29) - 1)


class OddProtobuf:
    """Writes fields by the dice: twice, in any order, in more bytes than needed, between fields that nobody knows."""

    def __init__(self, dice: random.Random, *, only_twice: bool = False) -> None:
        self._dice = dice
        self._only_twice = only_twice
        """Whether that fields come twice is all that is odd."""

    def _may(self, probability: float) -> bool:
        return not self._only_twice and self._dice.random() < probability

    def varint(self, value: int, most: int = 10) -> bytes:
        """A number in at most so many bytes."""
        value &= (1 << 64) - 1
        found = []
        while value > 0x7F:
            found.append(value & 0x7F)
            value >>= 7
        found.append(value)
        if self._may(0.1):
            found += [0] * self._dice.randint(0, most - len(found))
        return bytes([*(byte | 0x80 for byte in found[:-1]), found[-1]])

    def zigzag(self, value: int) -> bytes:
        return self.varint((value << 1) ^ (value >> 63))

    def _key(self, number: int, kind: int) -> bytes:
        return self.varint(number << 3 | kind, 5)

    def bytes_(self, number: int, content: bytes) -> bytes:
        return self._key(number, BYTES) + self.varint(len(content), 5) + content

    def number(self, number: int, value: int) -> bytes:
        return self._key(number, VARINT) + self.varint(value)

    def signed(self, number: int, value: int) -> bytes:
        return self._key(number, VARINT) + self.zigzag(value)

    def double(self, number: int, value: float) -> bytes:
        return self._key(number, FIXED64) + struct.pack("<d", value)

    def once(self, write: Callable[[int, object], bytes], number: int, value: object, other: object) -> list[bytes]:
        """A field that counts once: its last value does."""
        decoys = [write(number, other)] if self._dice.random() < 0.2 else []
        return [*decoys, write(number, value)]

    def many(self, number: int, kind: int, items: Sequence[bytes]) -> list[bytes]:
        """Numbers of a repeated field: packed, in pieces, one by one, and packed ones without any between them."""
        found, at = [], 0
        while at < len(items) or self._may(0.2):
            size = len(items) if self._only_twice else self._dice.choice([0, 1, 2, len(items)])
            if self._may(0.2) and at < len(items):
                found.append(self._key(number, kind) + items[at])
                at += 1
            else:
                found.append(self.bytes_(number, b"".join(items[at : at + size])))
                at += size
        return found

    def message(self, *lanes: list[bytes]) -> bytes:
        """A message of fields, each of `lanes` in its order."""
        left = [list(lane) for lane in lanes if lane]
        while self._may(0.15):
            left.append([self._strange()])
        if not self._may(0.5):
            return b"".join(chunk for lane in left for chunk in lane)
        found = b""
        while left:
            lane = self._dice.choice(left)
            found += lane.pop(0)
            left = [lane for lane in left if lane]
        return found

    def _strange(self) -> bytes:
        number, dice = self._dice.choice(_STRANGE_NUMBERS), self._dice
        match dice.choice([VARINT, FIXED64, BYTES, FIXED32]):
            case 0:
                return self.number(number, dice.getrandbits(dice.choice([1, 8, 64])))
            case 1:
                return self._key(number, FIXED64) + dice.randbytes(8)
            case 2:
                return self.bytes_(number, dice.randbytes(dice.choice([0, 1, 30])))
        return self._key(number, FIXED32) + dice.randbytes(4)
