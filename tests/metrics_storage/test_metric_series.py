"""The ids of series that ingest computes of OTLP points are those that the tables compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_requests import attributes, exponential, gauge, histogram, request, summary, total
from test_metric_faults import metrics

from vedette.server.ingest.otlp import METRICS, canonical, from_protobuf
from vedette.server.ingest.otlp_series import RequestSeries
from vedette.server.ingest.points_kernel import points_of


def _ours(message: Any, tenant: str, promoted: tuple[str, ...] = ()) -> set[int]:
    points = sum(
        len(getattr(metric, kind).data_points)
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )
    keys, places, _, _ = points_of(np.frombuffer(message.SerializeToString(), np.uint8), points)
    series = RequestSeries(message, tenant, promoted)
    found: dict[int, set[int]] = {}
    for key, place in zip(keys.tolist(), places.tolist(), strict=True):
        ids = series.of(tuple(place))
        first = found.setdefault(key, ids)
        assert first <= ids or ids <= first  # a stream is its series, as far as its points can be kept
        found[key] = first | ids
    return set().union(*found.values())


async def _theirs(store: Any) -> set[int]:
    rows = await store.rows("SELECT DISTINCT toString(id) AS id FROM vedette.series WHERE tenant = {tenant:String}")
    return {int(row["id"]) for row in rows}


async def test_every_kind_of_name_label_and_value(store):
    values = [
        "text", 'quo"te/\\\n', [bytes(range(128)).decode() + "\u2028\u2029\u0085é"], 1, -(2**63), True, False, b"\x00\xff", 1.5, 0.0, -0.0, 1e20, 1e21, 1.25e22, 1e-6, 1e-7,
        123456.789, math.inf, -math.inf, math.nan, 2**53 + 0.0, [], ["a/b", "", 1, 2.5, None, True, b"x", math.nan, [1]],
        {}, {"k/": "v", "": 2, "deep": {"a": 1}}, None, "",
    ]  # fmt: skip
    labels = {f"label{number}": value for number, value in enumerate(values)}
    bounds = [-math.inf, -1e7, -2.0, -0.0, 1e-5, 0.0001, 0.005, 0.1, 1.0, 2.5, 999999.0, 1e6, 1e21, math.inf]
    message = request(
        gauge("all", 1.0, **labels),
        *(gauge("unit", 1.0, unit=unit) for unit in ("s", "ms", "By/s", "1", "{item}", "%", "m/{x}", " s / min ", "foo/bar", "/s")),
        *(total("requests_total", 1, unit=unit) for unit in ("", "1", "s", "By/s")),
        *(total("up.down", 1, unit=unit, monotonic=False) for unit in ("", "1")),
        gauge("seconds", 1.0, unit="s"), gauge("a_ratio", 1.0, unit="1"), total("total", 1), gauge("größe", 1.0, ü="ß"),
        histogram("h", [1] * (len(bounds) + 1), bounds), histogram("none", [], []), histogram("nosum", [1], [], sum=None),
        exponential("e", count=1, positive=(0, [1])), summary("s", {0.5: 1.0, 0.99: 2.0, 1.0: 3.0, 1e-9: 1.0}),
        resource={"service.name": "n", "service.namespace": "ns", "service.instance.id": 7, "zone": ["eu"], "job": "forged"},
        scope="scope",
    )  # fmt: skip
    scope = message.resource_metrics[0].scope_metrics[0]
    scope.schema_url, scope.scope.version = "https://a/b", "1"
    scope.scope.attributes.extend(attributes({"name": "x", "own": 2.5, "list": [1]}))
    # Attributes that clash: with the target's, with each other, with what the point adds, and empty names.
    clash = scope.metrics[0].gauge.data_points.add(time_unix_nano=1_790_000_000_000_000_000, as_int=1)
    for key, value in (("k", "b"), ("k", "a"), ("job", "x"), ("__name__", "y"), ("", "z"), ("e", ""), ("le", "1")):
        clash.attributes.extend(attributes({key: value}))
    scope.metrics[-5].histogram.data_points[0].attributes.extend(attributes({"le": "own", "quantile": "q"}))
    await store.insert(message)
    assert await _theirs(store) == _ours(message, store.tenant)


async def test_promoted_attributes(store):
    store.promoted = ("k8s.pod.name", "zone", "list", "job", "le", "quantile", "absent", "__name__", "")
    message = request(
        gauge("plain", 1.0, le="own"), gauge("own", 1.0, zone="mine"), gauge("empty", 1.0, zone=""),
        histogram("h", [1, 2], [1.0]), summary("s", {0.5: 1.0}), exponential("e", count=1, positive=(0, [1])),
        resource={
            "service.name": "n", "k8s.pod.name": "pod-1", "zone": "eu", "list": ["a", 1], "job": "forged", "le": "high",
            "quantile": "q", "__name__": "forged", "": "none", "other": 1,
        },
    )  # fmt: skip
    message.resource_metrics[0].resource.attributes.extend(attributes({"zone": "second"}))
    await store.insert(message)
    assert await _theirs(store) == _ours(message, store.tenant, store.promoted)
    found = await store.values()
    shared = r'job="n", k8s.pod.name="pod-1", le="own", list="[\"a\",1]", quantile="q"'
    assert found[f'plain{{{shared}, zone="eu"}}'] == 1.0
    assert found["own{" + shared.replace('le="own"', 'le="high"') + ', zone="mine"}'] == 1.0
    assert found["h_bucket{" + shared.replace('le="own"', 'le="1.0"') + ', zone="eu"}'] == 1.0
    assert [name for name in found if name.startswith("target_info") and 'zone="eu;second"' in name]
    # The JSON form has the same series, and what a sender says of promotion itself counts for nothing.
    series = await _theirs(store)
    first, store.tenant = store.tenant, f"{store.tenant}-json"
    await store.insert(message, json_form=True)
    assert await store.values() == found
    assert len(await _theirs(store)) == len(series)
    store.tenant, store.promoted = f"{first}-none", ()
    body = message.SerializeToString()
    plain = from_protobuf(METRICS, store.tenant, body)
    await store.load("otlp_metrics", b"".join(plain.pieces))
    expected = await store.values()
    store.tenant = f"{first}-lie"
    lied = from_protobuf(METRICS, store.tenant, body + b"\xd2\x3e\x04zone")
    await store.load("otlp_metrics", b"".join(lied.pieces))
    assert await store.values() == expected
    assert not any("pod-1" in name for name in expected if not name.startswith("target_info"))


@pytest.mark.parametrize("promoted", [(), ("zone", "größe")])
def test_a_record_that_is_written_anew_keeps_what_is_promoted(promoted):
    body = request(gauge("g", 1.0), resource={"service.name": "n"}).SerializeToString()
    length, *pieces = from_protobuf(METRICS, "acme", body + b"\xf8\x3e\x01", promoted).pieces
    written = canonical(METRICS.protobuf_code, "acme", length + b"".join(pieces))
    assert written is not None
    rest = body + pieces[-1]
    assert written.endswith(rest)
    assert written[: -len(rest)] == bytes([len(rest) & 127 | 128, len(rest) >> 7] if len(rest) > 127 else [len(rest)])


async def test_a_resource_is_told_of_whatever_becomes_of_its_points(store):
    message = request(total("t", 1, temporality=1), gauge("", 1.0), resource={"service.name": "any", "more": 1})
    await store.insert(message)
    assert await _theirs(store) == _ours(message, store.tenant)
    assert len(await _theirs(store)) == 1


@given(st.lists(metrics(), min_size=1, max_size=12))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_points_of_any_kind(store, drawn):
    message = request(*drawn, resource={"service.name": "any", "more": 1})
    await store.insert(message)
    # What the tables refuse for other reasons may have ids here; what they keep must.
    strays = await _theirs(store) - _ours(message, store.tenant) - await _earlier(store)
    rows = await store.rows(
        "SELECT toString(id) AS id, name, labels FROM vedette.series WHERE tenant = {tenant:String}"
    )
    assert [row for row in rows if int(row["id"]) in strays] == []


_before: dict[str, set[int]] = {}


async def _earlier(store: Any) -> set[int]:
    """What examples before this one left, as they share a tenant."""
    known = _before.setdefault(store.tenant, set())
    found = set(known)
    known |= await _theirs(store)
    return found
