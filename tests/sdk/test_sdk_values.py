"""What programs put on spans, log lines and audit events, of whatever size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from vedette.sdk.values import clean


class Endless(Sequence[int]):
    """A sequence that goes on for ever."""

    def __init__(self) -> None:
        self.given = 0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: Any) -> Any:
        return place

    def __iter__(self) -> Any:
        for number in count():
            self.given += 1
            assert self.given < 5000, "more is taken than is kept"
            yield number


def test_of_what_is_long_or_endless_only_the_first_items_are_taken():
    endless = Endless()
    assert clean({"x": endless}) == {"x": tuple(range(1024))}
    assert endless.given == 1024
    assert clean(range(1 << 62)) == tuple(range(1024))
