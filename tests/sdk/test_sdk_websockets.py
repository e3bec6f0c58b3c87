"""WebSockets through a real server and client: a span for the connection, metrics by route, a line at its end."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from sdk_programs import Collector, attributes_of
from test_sdk_web import UVICORN, Site
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

ROOM = """
            text = await socket.receive_text()
            if text == "boom":
                raise RuntimeError("boom")
            if text == "busy":
                await socket.close(1013, "come back later")
                return
            with vedette.span("work"):
                await socket.send_json({"correlation": vedette.correlation_id()})
"""
FASTAPI = f"""
    import vedette
    vedette.configure("sockets", process_metrics=False)
    from fastapi import FastAPI, HTTPException, WebSocket
    app = FastAPI()
    @app.websocket("/rooms/{{room}}")
    async def room(socket: WebSocket, room: int):
        await socket.accept()
        while True:{ROOM}
    @app.websocket("/refused")
    async def refused(socket: WebSocket):
        await socket.close()
    @app.websocket("/early")
    async def early(socket: WebSocket):
        raise RuntimeError("early")
    @app.websocket("/health")
    async def health(socket: WebSocket):
        await socket.close()
    vedette.instrument(app, websocket_events=True)
"""
LITESTAR = f"""
    import vedette
    vedette.configure("sockets", process_metrics=False)
    from litestar import Litestar, WebSocket, websocket
    @websocket("/rooms/{{room:int}}")
    async def room(socket: WebSocket, room: int) -> None:
        await socket.accept()
        while True:{ROOM}
    @websocket("/refused")
    async def refused(socket: WebSocket) -> None:
        await socket.close()
    @websocket("/early")
    async def early(socket: WebSocket) -> None:
        raise RuntimeError("early")
    @websocket("/health")
    async def health(socket: WebSocket) -> None:
        await socket.close()
    app = vedette.instrument(Litestar([room, refused, early, health]), websocket_events=True)
"""
# What an exception of the application becomes is the framework's choice: Litestar closes by codes of its own.
CODES = {FASTAPI: (1011, 500), LITESTAR: (4500, 403)}


TOLD = {
    "X-Correlation-ID": "c-9",
    "X-Tenant-ID": "acme",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def _visited(site: Site) -> None:
    """Come to each of its endpoints, and leave, break or be refused."""
    url = f"ws://127.0.0.1:{site.port}"
    with connect(f"{url}/rooms/7", additional_headers=TOLD) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-correlation-id"] == "c-9"
        for _ in range(2):
            socket.send("hello")
            assert json.loads(socket.recv()) == {"correlation": "c-9"}
        now = site.metrics()
        assert now["http_server_active_websockets", (("route", "/rooms/{room}"),)] == 1
        received = (("direction", "received"), ("route", "/rooms/{room}"))
        assert now["http_server_websocket_messages_total", received] == 2
    for word in ("boom", "busy"):
        with connect(f"{url}/rooms/8") as socket, contextlib.suppress(ConnectionClosed):
            socket.send(word)
            socket.recv()
    for path in ("/refused", "/early", "/health"):
        with pytest.raises(InvalidStatus), connect(url + path):
            pass
    site.stop()


def _spans(collector: Collector, broken: int, never_open: int) -> Any:
    """What the spans say; the one of the connection that its client ended is given."""
    spans: dict[Any, list[Any]] = {}
    for span in collector.spans:
        spans.setdefault((span.name, attributes_of(span).get("websocket.close.code")), []).append(span)
    failed = {key for key, held in spans.items() if held[0].status.code == 2}
    name = "WEBSOCKET /rooms/{room}"
    assert spans.keys() == {
        (name, 1000), (name, broken), (name, 1013), ("work", None), ("WEBSOCKET /refused", None), ("WEBSOCKET /early", None)
    }  # fmt: skip
    assert failed == {(name, broken), (name, 1013), ("WEBSOCKET /early", None)}
    (fine,) = spans[name, 1000]
    ids = fine.trace_id.hex(), fine.parent_span_id.hex()
    assert (*ids, fine.kind) == (TOLD["traceparent"][3:35], TOLD["traceparent"][36:52], 2)
    assert {span.parent_span_id for span in spans["work", None]} == {fine.span_id}
    (early,) = spans["WEBSOCKET /early", None]
    assert (attributes_of(early)["http.response.status_code"], early.events[0].name) == (never_open, "exception")
    return fine


@pytest.mark.parametrize("source", [FASTAPI, LITESTAR], ids=["fastapi", "litestar"])
def test_a_connection_has_a_span_metrics_by_route_and_a_line(source, programs, collector):
    site = Site(programs, source, *UVICORN)
    broken, never_open = CODES[source]
    _visited(site)
    fine = _spans(collector, broken, never_open)
    assert [event.name for event in fine.events] == ["websocket.receive", "websocket.send"] * 2
    assert attributes_of(fine.events[0]) == {"websocket.message.type": "text", "websocket.message.size": 5}
    said = attributes_of(fine)
    assert (said["http.response.status_code"], said["http.request.method"], said["url.scheme"]) == (101, "GET", "ws")
    place = ("/rooms/{room}", "/rooms/7", "client")
    assert (said["http.route"], said["url.path"], said["websocket.closed_by"]) == place
    assert (said["tenant.id"], said["correlation_id"]) == ("acme", "c-9")
    lines = [line for line in site.lines() if line["message"] == "websocket"]
    assert [(line["level"], line["route"], line["status"]) for line in lines] == [
        ("info", "/rooms/{room}", 1000),
        ("error", "/rooms/{room}", broken),
        ("error", "/rooms/{room}", 1013),
        ("info", "/refused", 403),
        ("error", "/early", never_open),
    ]
    assert (lines[0]["correlation_id"], lines[0]["received"], lines[0]["sent"]) == ("c-9", 2, 2)
    assert (lines[0]["trace_id"], lines[1]["exception"]["message"]) == (fine.trace_id.hex(), "boom")
    (total,) = [metric for metric in collector.metrics if metric.name == "http_server_websockets_total"][-1:]
    counted = {tuple(attributes_of(point).values()): point.as_int or point.as_double for point in total.sum.data_points}
    assert counted == {(line["route"], str(line["status"])): 1 for line in lines}
    (active,) = [metric for metric in collector.metrics if metric.name == "http_server_active_websockets"][-1:]
    assert [point.as_int or point.as_double for point in active.gauge.data_points] == [0]


def test_what_goes_wrong_passes_through_and_tail_sampling_does_not_take_a_long_connection_for_a_slow_one(
    programs, collector
):
    programs.run(
        """
        from contextlib import suppress
        import vedette
        from starlette.applications import Starlette
        from starlette.routing import WebSocketRoute
        from starlette.testclient import TestClient
        from starlette.websockets import WebSocketDisconnect
        vedette.configure("sockets", log_format="none", sampling=0.0, tail_keep_slow_seconds=0.0)
        class Own(Exception): pass
        error = Own("unchanged")
        async def fine(socket):
            await socket.accept()
            await socket.receive_text()  # the client leaves
        async def broken(socket):
            await socket.accept()
            raise error
        app = Starlette(routes=[WebSocketRoute("/fine", fine), WebSocketRoute("/broken", broken)])
        vedette.instrument(app)
        client = TestClient(app)
        with suppress(WebSocketDisconnect), client.websocket_connect("/fine"):
            pass
        try:
            with client.websocket_connect("/broken") as socket:
                socket.receive_text()
        except Own as caught:
            assert caught is error
        else:
            raise SystemExit("swallowed")
        with vedette.span("slow"):
            pass
        """
    )
    assert collector.names() == ["WEBSOCKET /broken", "slow"]
