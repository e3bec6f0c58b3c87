"""Requests through real servers and frameworks: spans, metrics by route, the request's line, correlation, workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sdk_programs import Collector, Programs, attributes_of, value_of

APPS = {
    "fastapi": """
        import vedette
        vedette.configure("web", process_metrics=False)
        from fastapi import APIRouter, FastAPI
        app = FastAPI()
        log = vedette.get_logger("app")
        router = APIRouter(prefix="/api")
        @router.get("/orders/{order}")
        async def order(order: int):
            log.info("inside")
            with vedette.span("work"):
                return {"order": order, "correlation": vedette.correlation_id()}
        @app.get("/fail")
        def fail():
            raise RuntimeError("broken")
        @app.get("/health")
        def health():
            return "ok"
        app.include_router(router)
        vedette.instrument(app)
    """,
    "starlette mounted": """
        import vedette
        vedette.configure("web", process_metrics=False)
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Mount, Route
        log = vedette.get_logger("app")
        def order(request):
            log.info("inside")
            with vedette.span("work"):
                return JSONResponse({"order": int(request.path_params["order"]),
                                     "correlation": vedette.correlation_id()})
        def fail(request):
            raise RuntimeError("broken")
        inner = Starlette(routes=[Route("/orders/{order}", order)])
        app = Starlette(routes=[Mount("/api", inner), Route("/fail", fail), Route("/health", lambda r: JSONResponse(1))])
        vedette.instrument(app)
    """,
    "litestar": """
        import vedette
        vedette.configure("web", process_metrics=False)
        from litestar import Litestar, get
        log = vedette.get_logger("app")
        @get("/api/orders/{order:int}")
        async def order(order: int) -> dict:
            log.info("inside")
            with vedette.span("work"):
                return {"order": order, "correlation": vedette.correlation_id()}
        @get("/fail", sync_to_thread=False)
        def fail() -> None:
            raise RuntimeError("broken")
        @get("/health", sync_to_thread=False)
        def health() -> str:
            return "ok"
        app = vedette.instrument(Litestar([order, fail, health]))
    """,
    "flask": """
        import vedette
        vedette.configure("web", process_metrics=False)
        from flask import Flask
        app = Flask("app")
        log = vedette.get_logger("app")
        @app.get("/api/orders/<int:order>")
        def order(order):
            log.info("inside")
            with vedette.span("work"):
                return {"order": order, "correlation": vedette.correlation_id()}
        @app.get("/fail")
        def fail():
            raise RuntimeError("broken")
        @app.get("/health")
        def health():
            return "ok"
        vedette.instrument(app)
    """,
    "django": """
        import sys, vedette
        vedette.configure("web", process_metrics=False)
        from django.conf import settings
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
        from django.core.wsgi import get_wsgi_application
        from django.http import JsonResponse
        from django.urls import path
        log = vedette.get_logger("app")
        def order(request, order):
            log.info("inside")
            with vedette.span("work"):
                return JsonResponse({"order": order, "correlation": vedette.correlation_id()})
        def fail(request):
            raise RuntimeError("broken")
        urlpatterns = [path("api/orders/<int:order>", order), path("fail", fail),
                       path("health", lambda r: JsonResponse(1, safe=False))]
        app = vedette.instrument(get_wsgi_application())
    """,
}
ROUTES = {
    "flask": "/api/orders/<int:order>",
    "django": "/api/orders/<int:order>",
}


class Site:
    """A web application behind a real server."""

    def __init__(self, programs: Programs, source: str, *server: str, **variables: str) -> None:
        programs.write(source, "site_app.py")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [part.replace("PORT", str(self.port)) for part in server]
        self.log = programs.directory / "server.log"
        found = os.pathsep.join(filter(None, [str(programs.directory), os.environ.get("PYTHONPATH")]))
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=programs.directory,
                env=programs.environment(PYTHONPATH=found, **variables),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        programs.started.append(self.process)
        while True:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=named)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        text = self.get("/metrics")[2].decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"timestamp"')]


UVICORN = ("uvicorn", "site_app:app", "--port", "PORT", "--host", "127.0.0.1")
GUNICORN = ("gunicorn", "site_app:app", "--bind", "127.0.0.1:PORT", "--no-control-socket")


@pytest.fixture(params=APPS)
def served(request, programs, collector):
    server = GUNICORN if request.param in {"flask", "django"} else UVICORN
    site = Site(programs, APPS[request.param], *server)
    yield request.param, site, collector
    if site.process.poll() is None:
        site.stop()


def test_one_pass_does_everything_for_a_request(served):
    name, site, collector = served
    route = ROUTES.get(name, "/api/orders/{order}")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    status, headers, body = site.get(
        "/api/orders/7?q=1", traceparent=parent, x_correlation_id="c-9", x_tenant_id="acme"
    )
    assert (status, json.loads(body)) == (200, {"order": 7, "correlation": "c-9"})
    assert {key.lower(): value for key, value in headers.items()}["x-correlation-id"] == "c-9"
    own = site.get("/api/orders/8")[1]
    assert site.get("/fail")[0] == 500
    assert site.get("/nothing/here")[0] == 404
    assert site.get("/health")[0] == 200
    found = site.metrics()
    by_route = {labels: value for (name, labels), value in found.items() if name == "http_server_requests_total"}
    assert by_route == {
        (("method", "GET"), ("route", route), ("status", "200")): 2,
        (("method", "GET"), ("route", "/fail"), ("status", "500")): 1,
        (("method", "GET"), ("route", "unmatched"), ("status", "404")): 1,
    }
    assert found["http_server_errors_total", (("method", "GET"), ("route", "/fail"))] == 1
    assert found["http_server_request_duration_seconds_count", (("method", "GET"), ("route", route))] == 2
    assert found["http_server_active_requests", ()] == 0
    site.stop()
    spans = {span.name: span for span in collector.spans if span.trace_id.hex().startswith("0af7")}
    server, work = spans[f"GET {route}"], spans["work"]
    assert (server.kind, server.parent_span_id.hex(), work.parent_span_id) == (2, "b7ad6b7169203331", server.span_id)
    attributes = attributes_of(server)
    assert attributes["http.route"] == route
    assert (attributes["http.response.status_code"], attributes["url.path"]) == (200, "/api/orders/7")
    assert (attributes["tenant.id"], attributes["correlation_id"]) == ("acme", "c-9")
    failed = next(span for span in collector.spans if span.name == "GET /fail")
    assert failed.status.code == 2
    assert {key.lower(): value for key, value in own.items()}["x-correlation-id"] in {
        span.trace_id.hex() for span in collector.spans
    }
    assert not [span for span in collector.spans if "health" in span.name]
    lines = site.lines()
    inside = next(line for line in lines if line["message"] == "inside")
    assert (inside["correlation_id"], inside["tenant"], inside["span_id"]) == ("c-9", "acme", server.span_id.hex())
    log = next(line for line in lines if line["logger"] == "vedette.requests" and line["correlation_id"] == "c-9")
    assert (log["method"], log["path"], log["status"], log["route"]) == ("GET", "/api/orders/7", 200, route)
    assert log["trace_id"] == server.trace_id.hex()
    assert log["duration_ms"] > 0
    broken = next(line for line in lines if line["logger"] == "vedette.requests" and line["path"] == "/fail")
    assert (broken["exception"]["type"], broken["exception"]["message"]) == ("RuntimeError", "broken")
    assert [event.name for event in failed.events] == ["exception"]  # also where a framework made an answer of it


def test_the_exception_of_an_application_is_recorded_and_passes_unchanged(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        vedette.configure("web", log_format="none")
        class Own(Exception): pass
        error = Own("unchanged")
        async def app(scope, receive, send):
            raise error
        wrapped = vedette.instrument(app)
        scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
        try:
            asyncio.run(wrapped(scope, None, None))
        except Own as caught:
            assert caught is error
        else:
            raise SystemExit("swallowed")
        def wsgi(environ, start):
            raise error
        try:
            vedette.instrument(wsgi)({"PATH_INFO": "/y"}, None)
        except Own as caught:
            assert caught is error
        else:
            raise SystemExit("swallowed")
        """
    )
    assert [span.events[0].name for span in collector.spans] == ["exception", "exception"]


def test_what_requests_have_in_common_stays_apart_where_they_differ(programs, collector):
    """Attributes that many requests share are encoded once; each span and line has its own all the same, once each."""
    result = programs.run(
        """
        import asyncio, vedette
        from opentelemetry import trace
        vedette.configure("shared", log_format="json")
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        app = FastAPI()
        @app.get("/orders/{order}")
        def order(order: int):
            span = trace.get_current_span()
            assert span.attributes["user_agent.original"] == f"agent/{order % 2}"
            span.set_attribute("order", order)
            if order == 3: span.set_attribute("http.route", "mine")
            return order
        vedette.instrument(app)
        client = TestClient(app)
        for order in range(8):
            client.get(f"/orders/{order}?q={order}", headers={"User-Agent": f"agent/{order % 2}"})
        """
    )
    lines = [line for line in map(json.loads, result.stdout.splitlines()) if line["logger"] == "vedette.requests"]
    assert len(collector.spans) == len(lines) == 8
    for number, (span, line) in enumerate(zip(collector.spans, lines, strict=True)):
        found = attributes_of(span)
        assert len(span.attributes) == len(found)
        assert (span.name, found["url.path"], found["order"]) == ("GET /orders/{order}", f"/orders/{number}", number)
        assert found["http.route"] == ("mine" if number == 3 else "/orders/{order}")
        assert found["user_agent.original"] == line["user_agent"] == f"agent/{number % 2}"
        assert (found["url.query"], found["http.response.status_code"]) == (f"q={number}", 200)
        assert (line["path"], line["route"], line["status"]) == (f"/orders/{number}", "/orders/{order}", 200)
        assert found["correlation_id"] == line["correlation_id"] == line["trace_id"] == span.trace_id.hex()
    records = [attributes_of(record) for record in collector.logs if value_of(record.body) == "request"]
    assert [record["user_agent"] for record in records] == [line["user_agent"] for line in lines]
    assert [record["path"] for record in records] == [line["path"] for line in lines]


def test_a_server_span_that_the_program_ends_has_each_attribute_once(programs, collector):
    programs.run(
        """
        import vedette
        from opentelemetry import trace
        vedette.configure("ended", log_format="none")
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        app = FastAPI()
        @app.get("/")
        def root():
            span = trace.get_current_span()
            span.set_attribute("url.scheme", "mine")
            span.end()
        vedette.instrument(app)
        TestClient(app).get("/")
        """
    )
    (span,) = collector.spans
    assert len({pair.key for pair in span.attributes}) == len(span.attributes)
    assert attributes_of(span)["url.scheme"] == "mine"
    assert attributes_of(span)["http.request.method"] == "GET"


def test_a_tenant_may_bring_its_quota_along(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        from opentelemetry import baggage
        vedette.configure("web", log_format="none", process_metrics=False)
        async def app(scope, receive, send):
            assert baggage.get_baggage("tenant") == "acme"
            vedette.get_logger("app").info("inside")
        def tenant(headers):
            return {"id": headers["x-org"], "quota": 1000, "plan": "gold"}
        app = vedette.instrument(app, tenant=tenant)
        for raw in ([(b"x-org", b"acme")], []):
            scope = {"type": "http", "method": "GET", "path": "/x", "headers": raw}
            try:
                asyncio.run(app(scope, None, None))
            except AssertionError:
                assert not raw  # a function that fails costs the tenant, and no more
        """
    )
    known, unknown = map(attributes_of, collector.spans)
    assert (known["tenant.id"], known["tenant.quota"], known["tenant.plan"]) == ("acme", 1000, "gold")
    assert "tenant.id" not in unknown
    assert [attributes_of(record).get("tenant") for record in collector.logs if value_of(record.body) == "inside"] == [
        "acme"
    ]


def test_slow_requests_are_marked(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        vedette.configure("web", log_format="none")
        async def app(scope, receive, send):
            await asyncio.sleep(0.05)
            await send({"type": "http.response.start", "status": 204, "headers": []})
        app = vedette.instrument(app, slow_seconds=0.01)
        async def send(message): pass
        asyncio.run(app({"type": "http", "method": "GET", "path": "/x", "headers": []}, None, send))
        """
    )
    assert attributes_of(collector.spans[0])["slow"] is True
    assert collector.logs[0].severity_text == "WARN"


def _pid_unless_reset(site: Any) -> bytes | None:
    """Which worker answers; nothing if the connection went to one that ends and had not read it yet."""
    try:
        return site.get("/pid")[2]
    except ConnectionError:
        return None


@pytest.mark.parametrize(
    "server",
    [
        (*UVICORN, "--workers", "3"),
        (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "--workers", "3"),
        (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "--workers", "3", "--preload"),
    ],
    ids=["uvicorn workers", "gunicorn", "gunicorn preload"],
)
def test_workers_are_counted_together_and_none_hangs(programs, collector, server):
    if "gunicorn" in server:
        pytest.importorskip("uvicorn_worker")
    source = (
        APPS["fastapi"].rstrip()
        + "\n        import os, time\n        app.get('/pid')(lambda: time.sleep(0.05) or os.getpid())\n"
    )
    site = Site(programs, source, *server)
    pids = set()
    requests = 0
    with ThreadPoolExecutor(8) as pool:
        while len(pids) < 3:
            pids |= {answer[2] for answer in pool.map(lambda _: site.get("/pid"), range(8))}
            requests += 8
    key = ("http_server_requests_total", (("method", "GET"), ("route", "/pid"), ("status", "200")))
    assert site.metrics()[key] == requests
    if "gunicorn" in server:  # a worker that is recycled leaves its counts to the others
        ended = int(pids.pop())
        os.kill(ended, signal.SIGTERM)
        # A new one takes its place. One that is told to end before it has begun does not hear it (gunicorn's handlers
        # are not its own yet), and is waited for half a minute.
        known = {b"%d" % ended, *pids}
        with ThreadPoolExecutor(8) as pool:
            while pids <= known or Path(f"/proc/{ended}").exists():
                answered = [pid for pid in pool.map(lambda _: _pid_unless_reset(site), range(8)) if pid]
                pids |= set(answered)
                requests += len(answered)
        assert site.metrics()[key] == requests
    site.stop()
    assert len([span for span in collector.spans if span.name == "GET /pid"]) == requests


def test_what_the_end_of_a_server_cannot_deliver_is_kept(programs, collector):
    """A worker that uvicorn ends by its signal: what waits then is on disk, and the next process sends it."""
    pytest.importorskip("uvicorn_worker")
    server = (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker")
    site = Site(programs, APPS["fastapi"], *server, VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="0.2")
    gone, taking = threading.Event(), collector.answer

    def silent(_path: str) -> tuple[int, dict[str, str], bytes]:
        gone.wait()
        return 503, {}, b""

    collector.answer = silent
    assert site.get("/api/orders/7")[0] == 200
    site.stop()
    gone.set()
    collector.answer = taking
    programs.run("import vedette\nvedette.configure('web', log_format='none')\nwhile not vedette.flush(): pass")
    collector.wait(lambda: any(span.name == "work" for span in collector.spans))


def test_an_endpoint_that_is_away_costs_no_request(tmp_path):
    programs = Programs(tmp_path, "http://127.0.0.1:9")
    site = Site(programs, APPS["fastapi"], *UVICORN)
    assert all(site.get("/api/orders/1")[0] == 200 for _ in range(50))
    site.stop()
    away = list(tmp_path.glob("spool/web/*/*.otlp"))
    assert away
    collector = Collector().start()
    later = Programs(tmp_path, collector.url).start("import vedette, time\nvedette.configure('web')\ntime.sleep(60)")
    collector.wait(lambda: len([span for span in collector.spans if span.name == "GET /api/orders/{order}"]) == 50)
    later.kill()
    collector.stop()


def test_of_a_request_that_waits_a_span_alone_is_the_garbage_collectors(programs):
    """More of it would make the collector run in the middle of requests: seven in a thousand met it."""
    result = programs.run(
        """
        import asyncio, gc, os, sys, vedette
        vedette.configure("web", process_metrics=False, log_file=os.devnull)
        log = vedette.get_logger("shop")
        async def app(scope, receive, send):
            log.info("order looked up", order=7, status="ok")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        watched = vedette.instrument(app)
        async def nothing(*_): pass
        async def ask():
            await watched({"type": "http", "method": "GET", "path": "/orders/7", "headers": []}, nothing, nothing)
        async def main():
            for _ in range(100): await ask()
            before = gc.get_count()[0]
            for _ in range(500): await ask()
            print(gc.get_count()[0] - before)
        sys.setswitchinterval(100)  # the background thread does not take them away
        gc.disable()
        asyncio.run(main())
        """
    )
    assert int(result.stdout) < 1.1 * 500
