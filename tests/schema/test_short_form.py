"""The short form of a format gives the same rows as the whole one, and refuses what it would lose."""

from __future__ import annotations

import itertools
import json
import math
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_values import any_value, key_values, logs, traces
from schema_engine import record

from vedette.errors import EngineError
from vedette.server.engine.formats import by_name
from vedette.server.ingest.otlp import is_nested

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from schema_engine import EngineProcess, Tenant

NOW = 1_790_000_000 * 10**9
_NUMBERS = itertools.count()

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0.0, -0.0, 1.5, 1e300, -1e-7, math.inf, -math.inf, math.nan])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(['"t":"s"', "\\", '{"t":"i"}', "\u2028", "\0", "é", "\t\n"])
    | st.binary(max_size=6)
)
_values = _scalars | st.lists(_scalars, max_size=3)
_members = st.dictionaries(st.text(max_size=8), _values, max_size=4)


def _requests(value: Any, members: dict[str, Any]) -> dict[str, Message]:
    span = Span(trace_id=bytes(range(16)), start_time_unix_nano=NOW, attributes=key_values(members))
    span.events.add(time_unix_nano=NOW, name="e", attributes=key_values(members))
    span.links.add(attributes=key_values(members | {"value": value}))
    line = LogRecord(time_unix_nano=NOW, body=any_value(value), attributes=key_values(members))
    resource = members | {"service.name": "shop"}
    return {"otlp_traces": traces(span, resource=resource, scope=members), "otlp_logs": logs(line, resource=resource)}


async def _rows(database: EngineProcess, wire: str, requests: list[Message], *, short: bool) -> list[dict[str, Any]]:
    """The rows of requests that go in with one insert, each as a tenant of its own."""
    tenant = f"form{os.getpid()}-{next(_NUMBERS)}"
    form = by_name(wire)
    if short:
        assert form.short is not None
        form = form.short
    body = b"".join(record(request, f"{tenant}-{number:03}") for number, request in enumerate(requests))
    await database.insert(form, body, tenant)
    table = wire.removeprefix("otlp_").replace("traces", "spans")
    return await database.rows(
        f"SELECT * EXCEPT (tenant) FROM vedette.{table} WHERE startsWith(tenant, '{tenant}-') ORDER BY tenant"
    )


async def _compare(database: EngineProcess, drawn: list[tuple[Any, dict[str, Any]]]) -> None:
    both = [_requests(value, members) for value, members in drawn]
    for wire in both[0]:
        requests = [one[wire] for one in both]
        assert not any(is_nested(by_name(wire).code, record(request)) for request in requests)
        by_short, by_whole = [await _rows(database, wire, requests, short=short) for short in (True, False)]
        assert len(by_short) == len(by_whole) == len(drawn)
        for one, other in zip(by_short, by_whole, strict=True):
            assert repr(one) == repr(other), wire
            kinds = one["attribute_types"]
            for text in [one["resource"], *(one["attributes"][key] for key in kinds if kinds[key] == "json")]:
                json.loads(text)


_KNOWN = [([b"\xe0"], {"end": [b"\xe0"], "only": [b"\xf0", b"\xf0"]}), ([b"\xf0"], {"k": [b"\xf0\x90"]})]


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(st.tuples(_values, _members), min_size=3, max_size=10))
async def test_both_forms_give_the_same_row(tenant: Tenant, drawn: list[Any]) -> None:
    await _compare(tenant.database, [*_KNOWN, *drawn])


async def test_every_kind_of_value_at_once(tenant: Tenant) -> None:
    scalars = [None, True, False, 0, -1, 2**63 - 1, 1.5, math.nan, math.inf, "", "a", b"", b"\xff\x00"]
    members = {str(number): value for number, value in enumerate([*scalars, scalars, []])}
    await _compare(tenant.database, [(scalars, members), *((value, {}) for value in scalars)])


_NESTED: list[Any] = [{}, {"a": 1}, [[]], [[1]], [1, {}], ["a", {"b": "c"}]]
_PLACES = ["resource", "scope", "event", "link", "body", "log attribute"]


@pytest.mark.parametrize(
    ("place", "value"), [*(("attribute", value) for value in _NESTED), *zip(_PLACES, _NESTED, strict=True)], ids=repr
)
async def test_what_it_would_lose_is_refused_and_not_lost(tenant: Tenant, value: Any, place: str) -> None:
    nested = key_values({"before": "x", "nested": value, "after": 3})
    span = Span(start_time_unix_nano=NOW, name="s")
    line = LogRecord(time_unix_nano=NOW, body=any_value(value if place == "body" else "text"))
    request: Message = traces(span)
    part = request.resource_spans[0]
    sent = part.scope_spans[0].spans[0]
    if place == "resource":
        part.resource.attributes.extend(nested)
    elif place == "scope":
        part.scope_spans[0].scope.attributes.extend(nested)
    elif place == "attribute":
        sent.attributes.extend(nested)
    elif place == "event":
        sent.events.add(attributes=nested)
    elif place == "link":
        sent.links.add(attributes=nested)
    elif place == "log attribute":
        line.attributes.extend(nested)
    wire = "otlp_logs" if place in {"body", "log attribute"} else "otlp_traces"
    if wire == "otlp_logs":
        request = logs(line)
    short = by_name(wire).short
    assert short is not None
    assert is_nested(short.code, record(request))
    with pytest.raises(EngineError):
        await tenant.database.insert(short, record(request, tenant.name), f"{tenant.name}-short")
    await tenant.load(wire, request)
    await tenant.one("1 AS loaded", "logs" if wire == "otlp_logs" else "spans")
