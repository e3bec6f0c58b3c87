"""When a request ends, and what is mounted inside a watched application."""

from __future__ import annotations

import json

import pytest
from sdk_programs import attributes_of, value_of


def _lines(result):
    return [line for line in map(json.loads, result.stdout.splitlines()) if line["logger"] == "vedette.requests"]


def test_requests_end_with_their_last_part_also_where_a_client_does_not_close_it(programs, collector):
    """As the clients of tests: the span is there when the answer is."""
    result = programs.run(
        """
        import vedette
        from flask import Flask, Response, stream_with_context
        from vedette.testing import capture
        vedette.configure("ends", log_format="json", process_metrics=False)
        app = vedette.instrument(Flask("x"))
        def parts():
            with vedette.span("part"):
                yield "a"
            yield "b"
        app.get("/whole", endpoint="whole")(lambda: "whole")
        app.get("/empty", endpoint="empty")(lambda: ("", 204))
        app.get("/streamed", endpoint="streamed")(lambda: Response(stream_with_context(parts())))
        client, kept = app.test_client(), []
        with capture() as seen:
            for path, name in [("/whole", "GET /whole"), ("/empty", "GET /empty"), ("/lost", "GET")]:
                kept.append(client.get(path))  # neither read nor closed
                assert name in [span.name for span in seen.spans]
            streamed = client.get("/streamed")
            assert "GET /streamed" not in [span.name for span in seen.spans]
            assert streamed.text == "ab"
            assert "GET /streamed" in [span.name for span in seen.spans]
        for answer in [*kept, streamed]:
            answer.close()
        client.get("/whole").close()
        assert "http_server_active_requests 0" in vedette.metrics_text()
        assert 'trace_id="' in vedette.metrics_text(openmetrics=True)
        """
    )
    assert [line["path"] for line in _lines(result)] == ["/whole", "/empty", "/lost", "/streamed", "/whole"]
    assert collector.names() == ["GET", "GET /empty", "GET /streamed", "GET /whole", "GET /whole", "part"]


BREAKING = {
    "asgi": """
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse
        from fastapi.testclient import TestClient
        app = FastAPI()
        app.get("/breaks")(lambda: StreamingResponse(parts()))
        def ask(): TestClient(app).get("/breaks")
    """,
    "wsgi": """
        from flask import Flask, Response
        app = Flask("x")
        app.get("/breaks")(lambda: Response(parts()))
        def ask(): app.test_client().get("/breaks", buffered=True)
    """,
}


@pytest.mark.parametrize("framework", BREAKING)
def test_an_answer_that_breaks_off_is_an_error_of_the_status_that_the_client_saw(programs, collector, framework):
    result = programs.run(
        """
        import vedette
        vedette.configure("ends", log_format="json", process_metrics=False)
        def parts():
            yield b"a"
            raise RuntimeError("in the middle")
        """
        + BREAKING[framework]
        + """
        vedette.instrument(app)
        try:
            ask()
        except RuntimeError:
            pass
        else:
            raise SystemExit("swallowed")
        """
    )
    (line,) = _lines(result)
    assert (line["level"], line["status"], line["exception"]["message"]) == ("error", 200, "in the middle")
    (record,) = [record for record in collector.logs if value_of(record.body) == "request"]
    assert record.severity_text == "ERROR"
    assert collector.spans[0].status.message == "RuntimeError: in the middle"
    metrics = {metric.name: metric.sum.data_points for metric in collector.metrics if metric.HasField("sum")}
    (total,), (errors,) = metrics["http_server_requests_total"], metrics["http_server_errors_total"]
    assert (attributes_of(total)["status"], attributes_of(errors)) == ("200", {"method": "GET", "route": "/breaks"})


def test_an_application_that_is_mounted_in_another_belongs_to_its_trace(programs, collector):
    """FastAPI's own telemetry, which knows nothing of the outer span, is silent there as well."""
    programs.run(
        """
        import vedette
        from fastapi import FastAPI, WebSocket
        from fastapi.testclient import TestClient
        vedette.configure("mounted", log_format="none", process_metrics=False)
        outer, inner = FastAPI(), FastAPI()
        @inner.get("/items/{item}")
        def item(item: int):
            vedette.get_logger("shop").info("inside")
            with vedette.span("work"):
                return item
        @inner.websocket("/live")
        async def live(socket: WebSocket):
            await socket.accept()
            await socket.close()
        vedette.instrument(outer)
        outer.mount("/sub", inner)
        client = TestClient(outer)
        assert client.get("/sub/items/5").json() == 5
        with client.websocket_connect("/sub/live"):
            pass
        """
    )
    by_name = {span.name: span for span in collector.spans}
    assert sorted(span.name for span in collector.spans) == ["GET /sub/items/{item}", "WEBSOCKET /sub/live", "work"]
    server = by_name["GET /sub/items/{item}"]
    assert (by_name["work"].trace_id, by_name["work"].parent_span_id) == (server.trace_id, server.span_id)
    (inside,) = [record for record in collector.logs if value_of(record.body) == "inside"]
    assert inside.span_id == server.span_id
    assert attributes_of(server)["http.route"] == "/sub/items/{item}"
    assert [metric.name for metric in collector.metrics].count("http.server.request.duration") == 1


def test_a_wsgi_server_sees_the_body_that_the_application_gave(programs):
    """It may send a file by itself, and knows the length of an answer that is one part."""
    result = programs.run(
        """
        import io, sys, vedette
        from wsgiref.handlers import SimpleHandler
        from wsgiref.util import setup_testing_defaults
        vedette.configure("bodies", log_format="json", process_metrics=False)
        class Server(SimpleHandler):
            def sendfile(self):
                self.send_headers()
                self._write(b"by itself: " + self.result.filelike.read())
                return True
        class File(io.BytesIO):
            def close(self):
                assert not self.closed
                vedette.get_logger().info("closed")
                super().close()
        bodies = {
            "/file": lambda environ: environ["wsgi.file_wrapper"](File(b"content")),
            "/one": lambda environ: [b"whole"],
            "/two": lambda environ: (b"by ", b"parts"),
            "/stream": lambda environ: iter([b"stream"]),
        }
        def app(environ, start_response):
            start_response("200 OK", [])
            return bodies[environ["PATH_INFO"]](environ)
        app = vedette.instrument(app)
        for path in bodies:
            environ = {"PATH_INFO": path, "SERVER_PROTOCOL": "HTTP/1.0"}
            setup_testing_defaults(environ)
            out = io.BytesIO()
            Server(io.BytesIO(), out, sys.stderr, environ, multithread=False).run(app)
            head, _, body = out.getvalue().partition(b"\\r\\n\\r\\n")
            print(path, [line for line in head.split(b"\\r\\n") if b"Length" in line], body, file=sys.stderr)
        assert "http_server_active_requests 0" in vedette.metrics_text()
        """
    )
    assert result.stderr.splitlines() == [
        "/file [] b'by itself: content'",
        "/one [b'Content-Length: 5'] b'whole'",
        "/two [] b'by parts'",
        "/stream [] b'stream'",
    ]
    closed, *requests = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in requests] == ["/file", "/one", "/two", "/stream"]
    assert (closed["message"], closed["trace_id"]) == ("closed", requests[0]["trace_id"])


ODD_METHODS = {
    "asgi": """
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        app = FastAPI()
        vedette.instrument(app)
        app.api_route("/x", methods=["FOO", "GET"])(lambda: "x")
        def ask(method, path): TestClient(app).request(method, path)
    """,
    "wsgi": """
        from flask import Flask
        app = vedette.instrument(Flask("x"))
        app.route("/x", methods=["FOO", "GET"])(lambda: "x")
        def ask(method, path): app.test_client().open(path, method=method).close()
    """,
}


@pytest.mark.parametrize("framework", ODD_METHODS)
def test_methods_that_clients_think_of_are_told_as_the_conventions_say(programs, collector, framework):
    result = programs.run(
        """
        import vedette
        vedette.configure("odd", log_format="json", process_metrics=False)
        """
        + ODD_METHODS[framework]
        + """
        for method, path in [("FOO", "/x"), ("BAR", "/none"), ("GET", "/x")]:
            ask(method, path)
        """
    )
    assert [line["method"] for line in _lines(result)] == ["FOO", "BAR", "GET"]
    spans = {}
    for span in collector.spans:
        attributes = attributes_of(span)
        spans[span.name] = (attributes["http.request.method"], attributes.get("http.request.method_original"))
    assert spans == {"HTTP /x": ("_OTHER", "FOO"), "HTTP": ("_OTHER", "BAR"), "GET /x": ("GET", None)}
    (total,) = [metric for metric in collector.metrics if metric.name == "http_server_requests_total"]
    assert sorted(attributes_of(point)["method"] for point in total.sum.data_points) == ["GET", "_OTHER", "_OTHER"]
