"""The statements that questions become, as files to read: an unintended change of one is seen here.

Run with UPDATE_SNAPSHOTS=1 to write them anew, and read the difference.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from vedette.server.query.services import red
from vedette.server.query.timerange import TimeRange
from vedette.server.query.traces.breakdown import break_down
from vedette.server.query.traces.completion import attribute_keys, attribute_values
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.documents import (
    TraceBounds,
    jaeger_traces,
    native_document,
    otlp_resource_spans,
)
from vedette.server.query.traces.export import EXPORT_FORMATS, export_spans
from vedette.server.query.traces.jaeger import dependencies_document, operations_document, services_document
from vedette.server.query.traces.language import parse_query
from vedette.server.query.traces.search import TraceSearch, find_traces, page_document

SNAPSHOTS = Path(__file__).parent / "snapshots"
RANGE = TimeRange(1_782_907_200_000_000_000, 1_782_910_800_000_000_000)
ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ASIDE = (
    b'\x1e"shop"\x1f1\x1f{}\x1f2\x1f{}\x1e'
    b'[1,"shop","GET /",["2026-07-01T12:00:00.000000000Z","2026-07-01T12:00:01.000000000Z",1,0]]\x1e'
)
OTHER = "4bf92f3577b34da6a3ce929d0e0e4737"
QUERY = 'service:shop -status:ok http.route:/a* resource.host.name:web duration:>1s retries:>=3 user:~^x "b/c" nope:1'


class Recorder:
    """A reader that writes down what it is asked and answers with what the questions need to go on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_indexed = True

    def _note(self, tenant: str, sql: str, *, params: Any = None, settings: Any = None, fmt: str = "") -> None:
        assert tenant == "acme"
        lines = [sql.strip(), f"-- parameters: {json.dumps(params or {}, sort_keys=True)}"]
        if fmt:
            lines.append(f"-- format: {fmt}")
        if settings:
            lines.append(f"-- settings: {json.dumps(settings, sort_keys=True)}")
        self.asked.append("\n".join(lines))

    async def rows(self, tenant: str, sql: str, **options: Any) -> list[dict[str, Any]]:
        self._note(tenant, sql, **options)
        if "resource_keys" in sql:
            return [{"key": "user"}]
        if "AS position" in sql:
            return [
                {"id": ID, "position": 9, "began": 5, "scanned": 2, "reached": 1},
                {"id": OTHER, "position": 8, "began": 5, "scanned": 2, "reached": 1},
            ]
        if "AS figures" in sql:
            figures = ["2026-07-01T12:00:00.000000000Z", "2026-07-01T12:00:01.000000000Z", 1, 0]
            return [{"figures": figures, "resources": [["1", "{}"]], "scopes": [["2", "{}"]]}]
        return [{"start_ns": 1, "end_ns": 2, "found": 0, "spans": 3}]

    async def query(self, tenant: str, sql: str, **options: Any) -> bytes:
        self._note(tenant, sql, **options)
        return b"{}"

    @contextlib.asynccontextmanager
    async def stream(self, tenant: str, sql: str, **options: Any):
        self._note(tenant, sql, **options)

        async def chunks():
            if self.is_indexed or "FROM vedette.trace_index" not in sql:
                yield b"{}" + (
                    (ASIDE if self.is_indexed else ASIDE.replace(b"1,0]]", b"0,0]]")) if "AS span_links" in sql else b""
                )

        yield chunks()


async def search(reader: Any, order: str) -> None:
    asked = TraceSearch(build_conditions(parse_query(QUERY)), RANGE, order, 1)
    first = await find_traces(reader, "acme", asked)
    assert first.trace_ids == [ID]
    asked = TraceSearch(asked.conditions, RANGE, order, 1, first.next_cursor)
    page = await find_traces(reader, "acme", asked)
    await drain(page_document(reader, "acme", page))


async def drain(pieces: Any) -> None:
    async for _ in pieces:
        pass


async def not_indexed(reader: Any) -> None:
    reader.is_indexed = False
    await drain(native_document(reader, "acme", ID))


EVERY = build_conditions([])
BOUNDS = TraceBounds(1, 2)
ASK = {
    "search_newest": lambda reader: search(reader, "newest"),
    "search_slowest": lambda reader: search(reader, "slowest"),
    "trace_native": lambda reader: drain(native_document(reader, "acme", ID)),
    "trace_native_not_indexed": not_indexed,
    "trace_otlp": lambda reader: drain(otlp_resource_spans(reader, "acme", [ID, OTHER], BOUNDS)),
    "trace_jaeger": lambda reader: drain(jaeger_traces(reader, "acme", [ID, OTHER], BOUNDS)),
    "breakdown": lambda reader: break_down(
        reader, "acme", by="http.route", conditions=build_conditions(parse_query("error:true")), range_=RANGE, limit=5
    ),
    "attribute_keys": lambda reader: attribute_keys(reader, "acme", prefix="http.", range_=RANGE, limit=5),
    "attribute_values": lambda reader: attribute_values(
        reader, "acme", key="resource.host.name", prefix="w", range_=RANGE, limit=5
    ),
    **{
        f"export_{name}": lambda reader, form=form: drain(
            export_spans(reader, "acme", form, conditions=EVERY, range_=RANGE, limit=5)
        )
        for name, form in EXPORT_FORMATS.items()
    },
    "field_values": lambda reader: attribute_values(reader, "acme", key="service", prefix="", range_=RANGE, limit=5),
    "jaeger_services": lambda reader: services_document(reader, "acme", v3=False),
    "jaeger_operations": lambda reader: operations_document(reader, "acme", service="shop", kind="server"),
    "jaeger_dependencies": lambda reader: dependencies_document(reader, "acme", range_=RANGE, service=""),
    "services": lambda reader: red.services(reader, "acme", range_=RANGE),
    "operations": lambda reader: red.operations(reader, "acme", service="shop", range_=RANGE),
    **{
        name: lambda reader, operation=operation: red.red_series(
            reader, "acme", service="shop", operation=operation, range_=RANGE, step_ns=5 * red.MINUTE_NS
        )
        for name, operation in (("red_series", "GET /"), ("service_series", ""))
    },
    "trends": lambda reader: red.trends(reader, "acme", range_=RANGE, points=30),
    "service_map": lambda reader: red.service_map(reader, "acme", range_=RANGE),
}


@pytest.mark.parametrize("name", ASK)
async def test_the_statements_are_the_ones_that_were_read(name: str) -> None:
    recorder = Recorder()
    await ASK[name](recorder)
    emitted = "\n\n".join(recorder.asked) + "\n"
    path = SNAPSHOTS / f"{name}.sql"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(emitted)
    assert emitted == path.read_text(), f"{path} differs; see the top of this file"


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(ASK)
