"""OpenTelemetry's contrib instrumentations run on our providers, and OTLP also goes by gRPC."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from concurrent import futures

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sdk_programs import Programs, attributes_of


def test_fastapi_sqlalchemy_and_httpx_of_contrib(programs, collector):
    programs.run(
        """
        import sys, httpx, vedette
        vedette.configure("contrib", log_format="none")
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
        from opentelemetry.instrumentation.logging import LoggingInstrumentor
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
        from sqlalchemy import create_engine, text
        engine = create_engine("sqlite://")
        SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
        HTTPXClientInstrumentor().instrument()
        app = FastAPI()
        @app.get("/orders/{order}")
        def order(order: int):
            with engine.connect() as db:
                db.execute(text("SELECT 1"))
            httpx.post(sys.argv[1] + "/v1/traces", content=b"")
            return order
        FastAPIInstrumentor.instrument_app(app)
        assert TestClient(app).get("/orders/7").status_code == 200
        """,
        collector.url,
    )
    by_name = {span.name: span for span in collector.spans}
    server = by_name["GET /orders/{order}"]
    select = next(span for name, span in by_name.items() if name.startswith("SELECT"))
    assert len({span.trace_id for span in collector.spans}) <= 2
    assert select.trace_id == server.trace_id == by_name["POST"].trace_id
    scopes = {s.scope.name for r in collector.resources("/v1/traces") for s in r.scope_spans}
    assert "opentelemetry.instrumentation.sqlalchemy" in scopes
    metrics = {metric.name for metric in collector.metrics}
    assert any("http.server" in name for name in metrics)
    assert any("http.client" in name for name in metrics)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on this machine")
def test_redis_of_contrib(programs, collector, tmp_path):
    pytest.importorskip("opentelemetry.instrumentation.redis")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        programs.run(
            """
            import sys, redis, vedette
            vedette.configure("contrib", log_format="none")
            vedette.instrument()
            client = redis.Redis(port=int(sys.argv[1]))
            with vedette.span("outer"):
                client.set("k", "v")
                assert client.get("k") == b"v"
            assert client.register_script("return 7")() == 7  # it is told that there is none, and loads it
            """,
            str(port),
        )
    finally:
        server.terminate()
        server.wait()
    by_name = {span.name: span for span in collector.spans}
    assert by_name["GET"].parent_span_id == by_name["SET"].parent_span_id == by_name["outer"].span_id
    assert any("redis" in str(value) for value in attributes_of(by_name["GET"]).values())
    assert [span.status.code for span in collector.spans if span.name == "EVALSHA"] == [2, 0]
    assert not collector.logs  # what a call to others raises is its caller's affair


def test_span_processors_of_others_see_every_span(programs):
    result = programs.run(
        """
        import vedette
        vedette.configure("p", export=False, log_format="none")
        from opentelemetry import trace
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        memory = InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
        with vedette.span("outer", a=1) as span:
            span.add_event("e", {"k": [1]})
            with vedette.span("inner"):
                pass
        inner, outer = memory.get_finished_spans()
        assert inner.parent.span_id == outer.context.span_id and outer.attributes["a"] == 1
        print(inner.name, outer.name, len(encode_spans([inner, outer]).resource_spans))
        """
    )
    assert result.stdout.split() == ["inner", "outer", "1"]


def test_otlp_goes_by_grpc_and_is_retried(tmp_path):
    taken: list[ExportTraceServiceRequest] = []
    seen: list[dict[str, str]] = []

    def export(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append(dict(context.invocation_metadata()))
        if len(seen) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        message = ExportTraceServiceRequest()
        message.ParseFromString(request)
        taken.append(message)
        context.set_trailing_metadata((("vedette-log-levels", "app=debug"),))
        return ExportTraceServiceResponse().SerializeToString()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    handler = grpc.method_handlers_generic_handler(name, {"Export": grpc.unary_unary_rpc_method_handler(export)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    programs = Programs(tmp_path, f"http://127.0.0.1:{port}")
    result = programs.run(
        """
        import time, vedette
        vedette.configure("g", protocol="grpc", api_key="k", log_format="none", process_metrics=False)
        with vedette.span("by grpc"):
            pass
        while not vedette.flush(): time.sleep(0.05)
        while not vedette.get_logger("app.orders").is_enabled_for(10): time.sleep(0.05)
        print(vedette.get_logger("other").is_enabled_for(10))
        """
    )
    server.stop(None)
    assert result.stdout == "False\n"
    names = [s.name for m in taken for r in m.resource_spans for scope in r.scope_spans for s in scope.spans]
    assert names == ["by grpc"]
    assert seen[1]["authorization"] == "Bearer k"
    assert seen[0]["idempotency-key"] == seen[1]["idempotency-key"]
