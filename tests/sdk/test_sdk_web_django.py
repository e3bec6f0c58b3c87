"""Django, whatever its handlers are wrapped in, and how servers log the exceptions of applications."""

from __future__ import annotations

import pytest
from sdk_programs import attributes_of, value_of

DJANGO = """
    import logging, sys
    import vedette
    vedette.configure("dj", log_format="none", process_metrics=False)
    from django.conf import settings
    settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], LOGGING_CONFIG=None)
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse, StreamingHttpResponse
    from django.urls import include, path, re_path
    def order(request, order): return JsonResponse({"order": order})
    def old(request, year): return JsonResponse({"year": year})
    def fail(request): raise ValueError("no order")
    def stream(request):
        async def parts():
            logging.getLogger("shop").warning("a part")
            yield b"x"
        return StreamingHttpResponse(parts())
    urlpatterns = [
        path("api/", include([path("orders/<int:order>/", order), re_path(r"^old/(?P<year>[0-9]{4})/$", old)])),
        path("fail/", fail), path("stream/", stream),
    ]
    paths = ["/api/orders/7/", "/api/old/2024/", "/fail/", "/stream/", "/nothing/"]
"""
WRAPPED = {
    "wsgi": """
    from wsgiref.util import setup_testing_defaults
    inner = get_wsgi_application()
    def app(environ, start_response): return inner(environ, start_response)
    app = vedette.instrument(app)
    for at in paths:
        environ = {"PATH_INFO": at, "SCRIPT_NAME": "/shop"}
        setup_testing_defaults(environ)
        body = app(environ, lambda *_: None)
        list(body); body.close()
    """,
    "asgi": """
    import asyncio, httpx
    inner = get_asgi_application()
    async def app(scope, receive, send): await inner(scope, receive, send)
    app = vedette.instrument(app)
    async def main():
        transport = httpx.ASGITransport(app, root_path="/shop")
        async with httpx.AsyncClient(transport=transport, base_url="http://x/shop") as client:
            for at in paths: await client.get(at)
    asyncio.run(main())
    """,
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_wrapped_django_tells_routes_and_exceptions(programs, collector, kind):
    programs.run(DJANGO + WRAPPED[kind])
    spans = collector.spans
    assert [span.name for span in spans] == [
        "GET /api/orders/<int:order>/",
        "GET /api/old/(?P<year>[0-9]{4})/",
        "GET /fail/",
        "GET /stream/",
        "GET",
    ]
    assert spans[2].status.message == "ValueError: no order"
    (part,) = [record for record in collector.logs if value_of(record.body) == "a part"]
    assert (part.trace_id, part.span_id) == (spans[3].trace_id, spans[3].span_id)


SERVERS = {
    "uvicorn": """
        async def app(scope, receive, send):
            if scope["type"] == "http": raise ValueError("no answer")
        app = vedette.instrument(app)
        import uvicorn
        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started: time.sleep(0.01)
        ask(server.servers[0].sockets[0].getsockname()[1])
        server.should_exit = True
        thread.join()
    """,
    "wsgiref": """
        import logging, sys
        from wsgiref.simple_server import WSGIServer, ServerHandler, make_server
        ServerHandler.log_exception = lambda self, exc_info: logging.getLogger("wsgi").error("broken", exc_info=exc_info)
        def app(environ, start_response):
            start_response("200 OK", [])
            def parts():
                yield b"x"
                raise ValueError("no answer")
            return parts()
        server = make_server("127.0.0.1", 0, vedette.instrument(app))
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ask(server.server_port)
        thread.join()
    """,
}


@pytest.mark.parametrize("server", SERVERS)
def test_an_exception_that_a_server_logs_leads_to_its_request(programs, collector, server):
    programs.run(
        """
        import http.client, threading, time
        import vedette
        vedette.configure("served", log_format="none", process_metrics=False)
        def ask(port):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/x", headers={"X-Correlation-ID": "c-1"})
            connection.getresponse().read()
        """
        + SERVERS[server]
    )
    (span,) = collector.spans
    failed = [record for record in collector.logs if "exception.type" in attributes_of(record)]
    assert len(failed) == 2
    for record in failed:
        assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
        assert attributes_of(record)["correlation_id"] == "c-1"
