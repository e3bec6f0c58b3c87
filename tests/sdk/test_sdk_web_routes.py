"""Routes as their templates, whatever they are nested in; requests that end before what their answers have started."""

from __future__ import annotations

from sdk_programs import attributes_of


def test_routes_of_nested_routers_and_mounts_are_their_whole_templates(programs, collector):
    (programs.directory / "files").mkdir()
    (programs.directory / "files" / "a.txt").write_text("a")
    programs.run(
        """
        import vedette
        from fastapi import APIRouter, FastAPI, WebSocket
        from fastapi.staticfiles import StaticFiles
        from fastapi.testclient import TestClient
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Mount, Route
        vedette.configure("nested", log_format="none", process_metrics=False)
        app, sub = FastAPI(), FastAPI()
        orders, lines, plain = APIRouter(prefix="/orders/{region}"), APIRouter(prefix="/{order}/lines"), APIRouter()
        lines.get("/{sku}")(lambda region, order, sku: sku)
        orders.get("/new")(lambda region: region)
        plain.get("/things/{thing}")(lambda thing: thing)
        @plain.websocket("/live/{room}")
        async def live(socket: WebSocket, room: str):
            await socket.accept()
            await socket.close()
        sub.get("/own/{x}")(lambda x: x)
        sub.include_router(plain, prefix="/{version}")
        orders.include_router(lines)
        app.include_router(orders, prefix="/api")
        app.include_router(plain, prefix="/v1")
        app.mount("/tenants/{tenant}", sub)
        app.mount("/static", StaticFiles(directory="files"))
        leaf = Route("/leaf/{q}", lambda request: PlainTextResponse("x"))
        app.mount("/star", Starlette(routes=[Mount("/deep/{z:int}", routes=[leaf])]))
        app = vedette.instrument(app)
        client = TestClient(app)
        for path in (
            "/api/orders/eu/new", "/api/orders/eu/7/lines/s1", "/v1/things/3", "/tenants/acme/own/1",
            "/tenants/other/v2/things/1", "/static/a.txt", "/star/deep/007/leaf/8", "/v1/things/4",
        ):
            assert client.get(path).status_code == 200, path
        assert client.get("/tenants/acme/nothing").status_code == client.get("/nothing").status_code == 404
        with client.websocket_connect("/tenants/acme/v2/live/1"):
            pass
        """
    )
    assert [span.name for span in collector.spans] == [
        "GET /api/orders/{region}/new",
        "GET /api/orders/{region}/{order}/lines/{sku}",
        "GET /v1/things/{thing}",
        "GET /tenants/{tenant}/own/{x}",
        "GET /tenants/{tenant}/{version}/things/{thing}",
        "GET /static/{path}",
        "GET /star/deep/{z}/leaf/{q}",
        "GET /v1/things/{thing}",
        "GET /tenants/{tenant}/{path}",
        "GET",
        "WEBSOCKET /tenants/{tenant}/{version}/live/{room}",
    ]


def test_an_application_inside_a_mount_tells_its_own_routes(programs, collector):
    programs.run(
        """
        import vedette
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        from starlette.applications import Starlette
        vedette.configure("guest", log_format="none", process_metrics=False)
        host, guest, inner = Starlette(), FastAPI(), FastAPI()
        inner.get("/c/{c}")(lambda c: c)
        guest.mount("/b/{b}", inner)
        host.mount("/a/{a}", vedette.instrument(guest))
        assert TestClient(host).get("/a/1/b/2/c/3").json() == "3"
        """
    )
    assert [attributes_of(span)["http.route"] for span in collector.spans] == ["/b/{b}/c/{c}"]


def test_a_request_ends_with_its_answer_and_background_tasks_belong_to_its_trace(programs, collector):
    programs.run(
        """
        import time
        import vedette
        from fastapi import BackgroundTasks, FastAPI
        from fastapi.testclient import TestClient
        from starlette.middleware.base import BaseHTTPMiddleware
        vedette.configure("later", log_format="none", process_metrics=False)
        app = FastAPI()
        @app.get("/{how}")
        async def order(how: str, tasks: BackgroundTasks):
            tasks.add_task(mail, how)
            return how
        def mail(how):
            with vedette.span("mail"):
                if how == "fails":
                    raise ValueError("no mail today")
        async def around(request, follow):
            return await follow(request)
        app.add_middleware(BaseHTTPMiddleware, dispatch=around)
        client = TestClient(vedette.instrument(app), raise_server_exceptions=False)
        assert [client.get(path).status_code for path in ("/works", "/fails")] == [200, 200]
        """
    )
    servers = [span for span in collector.spans if span.name == "GET /{how}"]
    mails = [span for span in collector.spans if span.name == "mail"]
    for server, mail in zip(servers, mails, strict=True):
        assert (mail.trace_id, mail.parent_span_id) == (server.trace_id, server.span_id)
        assert server.end_time_unix_nano <= mail.start_time_unix_nano
    assert [server.status.message for server in servers] == ["", "ValueError: no mail today"]
    ((works, fails),) = [
        sorted(record.time_unix_nano for record in collector.logs if record.body.string_value == "request")
    ]
    assert works == servers[0].end_time_unix_nano <= fails
