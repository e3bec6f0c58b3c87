"""OTLP requests made by dice: legal protobuf, written oddly. What is acknowledged is kept as it is meant."""

from __future__ import annotations

import random
import struct
from typing import Any

import grpc
import pytest
from odd_protobuf import FIXED64, VARINT, OddProtobuf

TIME_NS = 1_790_000_000_000_000_000
SEEDS = range(60)
SPANS = """
SELECT name, trace_id, service, attributes['k'] AS k, toString(toUnixTimestamp64Nano(time)) AS at, status_message,
    events.name[1] AS event
FROM spans ORDER BY name
"""
LOGS = """
SELECT body AS name, trace_id, service, attributes['k'] AS k, toString(toUnixTimestamp64Nano(time)) AS at, severity_text,
    severity_number AS number
FROM logs ORDER BY name
"""
SAMPLES = """
SELECT DISTINCT labels['seed'] || '|' || name || labels['le'] AS series, value
FROM samples JOIN series ON series.id = samples.series
WHERE labels['seed'] != ''
"""
NATIVE = """
SELECT DISTINCT labels['seed'] AS seed, count, sum, mapFromArrays(positive_indexes, positive_counts) AS positive
FROM histograms JOIN series ON series.id = histograms.series
ORDER BY seed
"""


def fixed(number: int, value: int) -> bytes:
    return bytes([number << 3 | FIXED64]) + struct.pack("<Q", value)


class Sender:
    def __init__(self, seed: int, *, only_twice: bool) -> None:
        self.name = f"number {seed}"
        self.has_buckets = seed % 2 == 0
        self.is_metrics = False
        self.odd = OddProtobuf(random.Random(seed), only_twice=only_twice)

    def _text(self, number: int, text: str) -> list[bytes]:
        content = text.encode()
        return (
            self.odd.once(self.odd.bytes_, number, content, b"other") if self.is_metrics else self._id(number, content)
        )

    def _id(self, number: int, content: bytes) -> list[bytes]:
        return [self.odd.bytes_(number, content)]

    def _attribute(self, number: int, key: str, value: bytes) -> list[bytes]:
        return [self.odd.bytes_(number, self.odd.message(self._text(1, key), [self.odd.bytes_(2, value)]))]

    def _of(self, text: str) -> bytes:
        return self.odd.message(self._text(1, text))

    def _request(self, rows: int, *lanes: list[bytes]) -> bytes:
        odd = self.odd
        resource = odd.message(self._attribute(1, "service.name", self._of("shop")))
        scope = odd.message(self._text(1, "lib"), self._text(2, "1.0"))
        one = odd.message([odd.bytes_(1, scope)], [odd.bytes_(rows, odd.message(*lanes))])
        return odd.message([odd.bytes_(1, odd.message([odd.bytes_(1, resource)], [odd.bytes_(2, one)]))])

    def traces(self) -> bytes:
        odd = self.odd
        event = odd.message(
            odd.once(fixed, 1, TIME_NS, 1), self._text(2, "event"), self._attribute(3, "e", self._of("1"))
        )
        status = odd.message(self._text(2, "broken"), odd.once(odd.number, 3, 2, 1))
        return self._request(
            2,
            self._id(1, b"t" * 16),
            self._id(2, b"s" * 8),
            self._text(5, self.name),
            odd.once(odd.number, 6, 3, 1),
            odd.once(fixed, 7, TIME_NS, 1),
            odd.once(fixed, 8, TIME_NS + 500, 1),
            self._attribute(9, "k", self._of("v")),
            [odd.bytes_(11, event)],
            [odd.bytes_(15, status)],
        )

    def logs(self) -> bytes:
        odd = self.odd
        return self._request(
            2,
            odd.once(fixed, 1, TIME_NS, 1),
            odd.once(odd.number, 2, 17, 9),
            self._text(3, "ERROR"),
            [odd.bytes_(5, self._of(self.name))],
            self._attribute(6, "k", self._of("v")),
            self._id(9, b"t" * 16),
        )

    def metrics(self, kind: int) -> bytes:
        """A gauge (5), a histogram (9) or an exponential one (10)."""
        self.is_metrics = True
        odd, doubles = self.odd, [struct.pack("<d", one) for one in (1, 2)]
        time = odd.once(fixed, 3, TIME_NS, 1)
        label = self._attribute({5: 7, 9: 9, 10: 1}[kind], "seed", self._of(self.name))
        if kind == 5:
            lanes = [odd.once(odd.double, 4, 2.5, 1.0)]
        elif kind == 9:
            counts = [struct.pack("<Q", one) for one in (1, 0, 2)]
            empty = [odd.many(6, FIXED64, []), odd.many(7, FIXED64, [])]
            full = [odd.many(6, FIXED64, counts), odd.many(7, FIXED64, doubles)]
            lanes = [
                *(full if self.has_buckets else empty),
                odd.once(fixed, 4, 3, 1),
                odd.once(odd.double, 5, 4.5, 1.0),
            ]
        else:
            side = odd.message(odd.once(odd.signed, 1, 2, 3), odd.many(2, VARINT, [odd.varint(one) for one in (1, 2)]))
            none = odd.message(odd.many(2, VARINT, []))
            lanes = [odd.once(fixed, 4, 3, 1), odd.once(odd.double, 5, 4.5, 1.0), odd.once(odd.signed, 6, 1, 2)]
            lanes += [[odd.bytes_(8, side)], [odd.bytes_(9, none)]]
        point = odd.bytes_(1, odd.message(time, label, *lanes))
        data = odd.message([point], [] if kind == 5 else odd.once(odd.number, 2, 2, 1))
        name = {5: "level", 9: "classic", 10: "native"}[kind]
        return self._request(2, self._text(1, name), [odd.bytes_(kind, data)])


def _send(platform: Any, tenant: str, signal: str, body: bytes, *, by_grpc: bool) -> None:
    if not by_grpc:
        answer = platform.otlp(signal, body, X_Scope_OrgID=tenant)
        assert (answer.status, answer.body) == (200, b"")
        return
    service = {"traces": "trace.v1.Trace", "logs": "logs.v1.Logs", "metrics": "metrics.v1.Metrics"}[signal]
    with grpc.insecure_channel(f"127.0.0.1:{platform.otlp_grpc}") as channel:
        export = channel.unary_unary(f"/opentelemetry.proto.collector.{service}Service/Export")
        assert export(body, metadata=[("x-scope-orgid", tenant)]) == b""


@pytest.mark.parametrize("by_grpc", [False, True], ids=["http", "grpc"])
def test_what_is_acknowledged_is_kept_as_it_is_meant(shared_platform, by_grpc):
    tenant = f"odd-{by_grpc}"
    before = shared_platform.quarantine()  # other tests put something there
    for seed in SEEDS:
        sender = Sender(seed, only_twice=seed % 3 == 0)
        _send(shared_platform, tenant, "traces", sender.traces(), by_grpc=by_grpc)
        _send(shared_platform, tenant, "logs", sender.logs(), by_grpc=by_grpc)
        for kind in (5, 9, 10):
            for _ in range(2):  # the second time as what is known
                _send(shared_platform, tenant, "metrics", sender.metrics(kind), by_grpc=by_grpc)
    shared_platform.loaded()
    assert shared_platform.quarantine() == before
    names = sorted(f"number {seed}" for seed in SEEDS)
    ids = {"name": "", "trace_id": "74" * 16, "service": "shop", "k": "v", "at": str(TIME_NS)}
    spans = shared_platform.sql(SPANS, tenant)
    assert spans == [ids | {"name": name, "status_message": "broken", "event": "event"} for name in names]
    logs = shared_platform.sql(LOGS, tenant)
    assert logs == [ids | {"name": name, "severity_text": "ERROR", "number": 17} for name in names]
    values = {row["series"]: row["value"] for row in shared_platform.sql(SAMPLES, tenant)}
    for seed in SEEDS:
        bounds = {"1.0": 1, "2.0": 1, "+Inf": 3} if seed % 2 == 0 else {"+Inf": 3}
        classic = {f"classic_bucket{bound}": count for bound, count in bounds.items()}
        expected = {"level": 2.5, "classic_count": 3, "classic_sum": 4.5} | classic
        found = {name.partition("|")[2]: value for name, value in values.items() if name.startswith(f"number {seed}|")}
        assert found == expected
    native = shared_platform.sql(NATIVE, tenant)
    assert native == [{"seed": name, "count": 3, "sum": 4.5, "positive": {"3": 1, "4": 2}} for name in names]
