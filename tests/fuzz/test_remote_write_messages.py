"""Remote write requests made by dice: legal, with odd values, written oddly. What is acknowledged can be asked for."""

from __future__ import annotations

import math
import random
import struct
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

import cramjam
import pytest
from odd_protobuf import FIXED64, VARINT, OddProtobuf

TYPE = {
    False: "application/x-protobuf",
    True: "application/x-protobuf;proto=io.prometheus.write.v2.Request",
}
REQUESTS = 150
KINDS = ("samples", "histograms", "exemplars")
NOW = int(time.time()) * 1000
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
VALUES = (0.0, -0.0, 1.5, -2.0, 1e308, 5e-324, math.inf, -math.inf, math.nan, STALE, 2.0**53)
NAMES = ("a", "B_1", "größe", "with space", "l" * 200, "\N{SNOWMAN}")
TEXTS = ("", "x", 'quo"te\\', "new\nline", "ж" * 70, "v" * 300, "\N{SNOWMAN}")
TIMES = (0, 1, -1, NOW, 1 << 62, -(1 << 62))
Labels = tuple[tuple[str, str], ...]


@dataclass
class Series:
    """What a series has by what was acknowledged: of a native histogram its count, its sum and that of its buckets."""

    samples: dict[int, float] = field(default_factory=dict)
    histograms: dict[int, tuple[float, float, float]] = field(default_factory=dict)


class Sender:
    """Makes requests, and remembers what is in them."""

    def __init__(self, dice: random.Random, run: str, *, two: bool) -> None:
        self.dice, self.two = dice, two
        self.odd = OddProtobuf(dice)
        self._run = run
        self._symbols = [""]
        self.written = [0, 0, 0]

    def labels(self, number: int) -> Labels:
        chosen = self.dice.sample(NAMES, self.dice.randint(0, 3))
        own = [("__name__", self.dice.choice(["m", "über"])), ("run", self._run), ("n", str(number))]
        return (*own, *((name, self.dice.choice(TEXTS)) for name in chosen))

    def request(self, wanted: dict[Labels, Series], times: list[int]) -> bytes:
        """A request with something of each series; it takes its times from the list."""
        self._symbols, self.written = [""], [0, 0, 0]
        series = [
            self.odd.bytes_(5 if self.two else 1, self._series(labels, wanted[labels], times)) for labels in wanted
        ]
        if not self.two:
            return self.odd.message(
                series, [self.odd.bytes_(3, self._metadata()) for _ in range(self.dice.randint(0, 2))]
            )
        return self.odd.message(series, [self.odd.bytes_(4, text.encode()) for text in self._symbols])

    def _reference(self, text: str) -> int:
        if text not in self._symbols or self.dice.random() < 0.1:
            self._symbols.append(text)
            return len(self._symbols) - 1
        return self._symbols.index(text)

    def _series(self, labels: Labels, kept: Series, times: list[int]) -> bytes:
        odd, dice = self.odd, self.dice
        samples = [self._sample(kept, times.pop()) for _ in range(dice.randint(0, 3))]
        histograms = [self._histogram(kept, times.pop()) for _ in range(dice.randint(0, 2))]
        exemplars = [self._exemplar() for _ in range(dice.choice([0, 0, 1]))]
        for i, found in enumerate((samples, histograms, exemplars)):
            self.written[i] += len(found)
        lanes = [self._labels(labels), [odd.bytes_(2, one) for one in samples]]
        lanes.append([odd.bytes_(3 if self.two else 4, one) for one in histograms])
        lanes.append([odd.bytes_(4 if self.two else 3, one) for one in exemplars])
        if self.two and dice.random() < 0.5:
            lanes.append([odd.bytes_(5, self._about()) for _ in range(dice.randint(1, 2))])
            lanes.append(odd.once(odd.number, 6, dice.choice(TIMES), 1))
        return odd.message(*lanes)

    def _labels(self, labels: Labels) -> list[bytes]:
        odd = self.odd
        if self.two:
            named = [self._reference(text) for label in labels for text in label]
            return odd.many(1, VARINT, [odd.varint(one) for one in named])
        shuffled = self.dice.sample(labels, len(labels))
        return [
            odd.bytes_(
                1, odd.message(odd.once(odd.bytes_, 1, n.encode(), b"other"), odd.once(odd.bytes_, 2, v.encode(), b"o"))
            )
            for n, v in shuffled
        ]

    def _sample(self, kept: Series, at: int) -> bytes:
        odd, value = self.odd, self.dice.choice([*VALUES, self.dice.random() * 1000])
        kept.samples[at] = value
        lanes = [odd.once(odd.double, 1, value, 3.0), odd.once(odd.number, 2, at, 17)]
        if self.two and self.dice.random() < 0.3:
            lanes.append(odd.once(odd.number, 3, self.dice.choice(TIMES), 1))
        return odd.message(*lanes)

    def _exemplar(self) -> bytes:
        odd = self.odd
        lanes = [
            odd.once(odd.double, 2, self.dice.choice(VALUES), 3.0),
            odd.once(odd.number, 3, self.dice.choice([0, 1, NOW]), -1),
        ]
        return odd.message(*lanes, self._labels((("trace_id", "0" * 31 + "1"), ("größe", ""))))

    def _metadata(self) -> bytes:
        odd, dice = self.odd, self.dice
        names = [odd.once(odd.bytes_, number, dice.choice(TEXTS).encode(), b"o") for number in (2, 4, 5)]
        return odd.message(odd.once(odd.number, 1, dice.choice([0, 1, 7, 8, -1, 1 << 40]), 1), *names)

    def _about(self) -> bytes:
        odd = self.odd
        texts = [odd.once(odd.number, number, self._reference(self.dice.choice(TEXTS)), 0) for number in (3, 4)]
        return odd.message(odd.once(odd.number, 1, self.dice.randint(0, 7), 1), *texts)

    def _histogram(self, kept: Series, at: int) -> bytes:
        odd, dice = self.odd, self.dice
        is_float, is_custom = dice.random() < 0.5, dice.random() < 0.3
        sides = [[dice.randint(0, 9) for _ in range(dice.choice([0, 1, 3, 9]))] for _ in range(1 if is_custom else 2)]
        zero, total = 0 if is_custom else dice.randint(0, 5), dice.choice([0.0, 4.25, -3.0])
        count = zero + sum(map(sum, sides))
        kept.histograms[at] = float(count), total, float(count)
        schema = -53 if is_custom else dice.randint(-4, 8)
        lanes = [odd.once(odd.double, 3, total, 1.0), odd.once(odd.signed, 4, schema, 3)]
        lanes += [odd.once(odd.number, 15, at, 1), odd.once(odd.number, 14, dice.choice([0, 2, 3, 9, -1, 1 << 40]), 1)]
        if is_float:
            lanes += [[odd.number(1, 77)] * dice.randint(0, 1) + [odd.double(2, count)], [odd.double(7, zero)]]
        else:
            lanes += [[odd.double(2, 7.5)] * dice.randint(0, 1) + [odd.number(1, count)], [odd.number(6, zero)]]
        for counts, spans, deltas, floats in zip(sides, (11, 8), (12, 9), (13, 10), strict=False):
            lanes.append([odd.bytes_(spans, one) for one in self._spans(len(counts))])
            steps = [odd.zigzag(new - old) for old, new in zip([0, *counts], counts, strict=False)]
            doubles = [struct.pack("<d", one) for one in counts]
            lanes += [odd.many(deltas, VARINT, [] if is_float else steps)]
            lanes += [odd.many(floats, FIXED64, doubles if is_float else [])]
        if is_custom:
            lanes.append(odd.many(16, FIXED64, [struct.pack("<d", bound) for bound in range(1, 20)]))
        return odd.message(*lanes)

    def _spans(self, size: int) -> list[bytes]:
        odd, found = self.odd, []
        while size or self.dice.random() < 0.2:
            length = self.dice.randint(0, size)
            offset = self.dice.randint(0, 1)
            found.append(odd.message(odd.once(odd.signed, 1, offset, 3), odd.once(odd.number, 2, length, 4)))
            size -= length
        return found


def _answered(platform: Any, tenant: str, run: str) -> dict[Any, Series]:
    query = urllib.parse.urlencode({"query": f'{{run="{run}"}}[2h]', "time": NOW / 1000 + 3600})
    answer = platform.request(f"/prometheus/api/v1/query?{query}", headers={"X-Scope-OrgID": tenant})
    assert answer.status == 200, answer.body
    found = {}
    for one in answer.json()["data"]["result"]:
        series = found[tuple(sorted(one["metric"].items()))] = Series()
        series.samples = {round(float(at) * 1000): float(value) for at, value in one.get("values", ())}
        for at, native in one.get("histograms", ()):
            buckets = math.fsum(float(bucket[3]) for bucket in native.get("buckets", ()))
            series.histograms[round(float(at) * 1000)] = float(native["count"]), float(native["sum"]), buckets
    return found


def _texts(series: dict[Any, Series]) -> dict[Any, str]:
    """As texts, in which NaN is NaN and -0 is not 0."""
    return {
        labels: repr((sorted(one.samples.items()), sorted(one.histograms.items()))) for labels, one in series.items()
    }


@pytest.mark.parametrize("two", [False, True], ids=["one", "two"])
def test_every_sample_that_was_acknowledged_can_be_asked_for(shared_platform, two):
    tenant, run = f"dice-{two}", f"run-{two}"
    before = shared_platform.quarantine()  # other tests put something there
    sent: dict[Labels, Series] = {}
    for seed in range(REQUESTS):
        sender = Sender(random.Random(seed), run, two=two)
        wanted = {sender.labels(len(sent) + i): Series() for i in range(seed % 4 + 1)}
        times = [NOW - i for i in sender.dice.sample(range(3_600_000), 100)]
        for _ in range(2):  # the second time by the ids of its series
            body = bytes(cramjam.snappy.compress_raw(sender.request(wanted, times)))
            headers = {"Content-Type": TYPE[two], "Content-Encoding": "snappy", "X-Scope-OrgID": tenant}
            answer = shared_platform.request("/prometheus/api/v1/write", body, headers=headers)
            said = {name.lower(): value for name, value in answer.headers.items()}
            counts = [int(said[f"x-prometheus-remote-write-{kind}-written"]) for kind in KINDS]
            assert (answer.status, answer.body, counts) == (204, b"", sender.written), seed
        sent |= wanted
    shared_platform.loaded()
    assert shared_platform.quarantine() == before
    expected = {}
    for labels, one in sent.items():
        one.samples = {at: value for at, value in one.samples.items() if not _is_stale(value)}
        if one.samples or one.histograms:
            expected[tuple(sorted((name, value) for name, value in labels if value))] = one
    assert _texts(_answered(shared_platform, tenant, run)) == _texts(expected)


def _is_stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", STALE)
