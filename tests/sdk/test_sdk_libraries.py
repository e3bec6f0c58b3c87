"""Statements of SQLAlchemy and requests of HTTPX, as our own instrumentations show them."""

from __future__ import annotations

import socket

import pytest
from sdk_programs import attributes_of


def test_sqlalchemy_statements_rows_failures_and_repeats_are_seen(programs, collector):
    result = programs.run(
        """
        import vedette
        vedette.configure("web")
        vedette.instrument()
        from sqlalchemy import create_engine, text
        engine = create_engine("sqlite:///rows.db")
        with vedette.span("request"), engine.begin() as db:
            db.execute(text("CREATE TABLE t (a)"))
            db.execute(text("INSERT INTO t VALUES (:a)"), [{"a": 1}, {"a": 2}])
            db.execute(text("UPDATE t SET a = :secret"), {"secret": "not to be seen"})
            db.execute(text("DELETE FROM t WHERE a = 5 RETURNING a")).all()
            for number in range(12):
                db.execute(text("SELECT * FROM t WHERE a = :n"), {"n": number})
        try:
            with engine.connect() as db:
                db.execute(text("SELECT * FROM missing"))
        except Exception as error:
            print(type(error).__name__)
        with engine.connect(), engine.connect() as released:
            released.close()
            vedette.flush(); vedette.shutdown()
        """
    )
    spans = {span.name: span for span in collector.spans}
    updated = attributes_of(next(span for name, span in spans.items() if name.startswith("UPDATE")))
    assert updated["db.system.name"] == "sqlite"
    assert updated["db.query.text"] == "UPDATE t SET a = ?"
    assert updated["db.response.affected_rows"] == 2
    deleted = attributes_of(next(span for name, span in spans.items() if name.startswith("DELETE")))
    assert "db.response.affected_rows" not in deleted  # not known when the statement has run
    assert "not to be seen" not in str(collector.requests)
    outer = attributes_of(spans["request"])
    assert outer["db.n_plus_one"] is True
    assert outer["db.n_plus_one.query"] == "SELECT * FROM t WHERE a = ?"
    assert outer["db.n_plus_one.count"] == 12
    failed = next(span for span in collector.spans if "missing" in str(attributes_of(span).get("db.query.text")))
    assert failed.status.code == 2
    assert "OperationalError" in result.stdout
    found = {metric.name: metric for metric in collector.metrics}
    timed = found["db_client_operation_duration_seconds"].histogram.data_points
    assert {attributes_of(p)["operation"]: p.count for p in timed}["SELECT"] == 12
    pool = {attributes_of(p)["state"]: p.as_int for p in found["db_client_connections"].gauge.data_points}
    assert (pool["used"], pool["idle"]) == (1, 1)


def test_a_statement_is_told_once_where_its_driver_is_instrumented_as_well(programs, collector):
    """As contrib's for drivers do it: silent where instrumentation is suppressed."""
    programs.run(
        """
        import sqlite3
        from sqlite3 import dbapi2
        import vedette
        from opentelemetry.instrumentation.utils import is_instrumentation_enabled
        vedette.configure("driver", process_metrics=False)
        vedette.instrument()
        from sqlalchemy import create_engine, text
        def told(name):
            if is_instrumentation_enabled():
                with vedette.span(f"driver {name}"): pass
        class Cursor(sqlite3.Cursor):
            def execute(self, *args): told(args[0].split()[0]); return super().execute(*args)
            def executemany(self, *args): told(args[0].split()[0]); return super().executemany(*args)
        class Connection(sqlite3.Connection):
            def cursor(self, *args): return super().cursor(Cursor)
        def connect(*args, **kwargs): told("connect"); return sqlite3.connect(*args, **kwargs, factory=Connection)
        dbapi2.connect = connect
        engine = create_engine("sqlite://")
        with engine.begin() as db:
            db.execute(text("CREATE TABLE t (a)"))
            db.execute(text("INSERT INTO t VALUES (:a)"), [{"a": 1}, {"a": 2}])
            try: db.execute(text("SELECT * FROM missing"))
            except Exception: pass
        connect(":memory:").cursor().execute("SELECT 1")
        """
    )
    names = sorted(span.name.replace(" :memory:", "") for span in collector.spans)
    own = [name for name in names if name != "driver PRAGMA"]  # the dialect's, of which SQLAlchemy tells nobody
    assert own == ["CREATE", "INSERT", "SELECT", "driver SELECT", "driver connect"]


def test_an_installed_instrumentation_is_used_when_its_library_is_imported(programs, collector):
    """That of urllib is contrib's; the others are found as contrib's are, by the entry point of what is installed."""
    installed = programs.directory / "theirs-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: theirs\nVersion: 1.0\n")
    points = "".join(
        f"{name} = theirs:{name.title().replace('_', '')}\n" for name in ("csv", "httpx", "never_installed")
    )
    (installed / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{points}")
    programs.write(
        """
        class Instrumentor:
            is_instrumented_by_opentelemetry = False
            def instrument(self): print(type(self).__name__)
        class Csv(Instrumentor):
            def instrument(self): raise RuntimeError("does not fit")
        class Httpx(Instrumentor): pass
        """,
        "theirs.py",
    )
    result = programs.run(
        """
        import sys, vedette
        vedette.configure("web", log_format="none", process_metrics=False)
        vedette.instrument()
        print("opentelemetry.instrumentation.urllib" in sys.modules)
        import urllib.request, csv, httpx
        with vedette.span("outer"):
            try:
                urllib.request.urlopen("http://127.0.0.1:9/nobody")
            except OSError:
                pass
        """
    )
    assert result.stdout.split() == ["False"]  # loaded with its library; HTTPX is watched by our own
    assert "opentelemetry-instrumentation-csv was left out: does not fit" in result.stderr
    asked, outer = collector.spans
    assert (asked.name, attributes_of(asked)["http.url"]) == ("GET", "http://127.0.0.1:9/nobody")
    assert asked.parent_span_id == outer.span_id


def test_parameters_of_statements_are_seen_where_they_are_asked_for(programs, collector):
    programs.run(
        """
        import vedette
        vedette.configure("web", sql_parameters=True, log_format="none", process_metrics=False)
        vedette.instrument()
        from sqlalchemy import create_engine, text
        from sqlalchemy.dialects import sqlite
        with create_engine("sqlite://", paramstyle="named").connect() as db:
            db.execute(text("SELECT :number, :password, :note"), {"number": 7, "password": "s3cret", "note": "Bearer abcdefgh1234"})
        with create_engine("sqlite://").connect() as db:
            db.execute(text("SELECT :a"), {"a": "by place"})
        """
    )
    named, placed = map(attributes_of, collector.spans)
    shown = {key.rpartition(".")[2]: value for key, value in named.items() if ".parameter." in key}
    assert shown == {"number": "7", "password": "[redacted]", "note": "Bearer [redacted]"}
    assert placed["db.query.parameter.0"] == "by place"


def test_the_correlation_id_goes_along_with_any_client_that_propagates(programs):
    result = programs.run(
        """
        import vedette
        from opentelemetry import propagate
        vedette.configure("web", export=False, log_format="none")
        with vedette.span("outer"), vedette.context(correlation_id="c-1"):
            for headers in ({}, {"x-correlation-id": "mine"}):
                propagate.inject(headers)
                print(headers["x-correlation-id"], "traceparent" in headers)
        outside = {}
        propagate.inject(outside)
        print(outside)
        """
    )
    assert result.stdout.splitlines() == ["c-1 True", "mine True", "{}"]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_httpx_requests_carry_the_context_and_show_timeouts_and_repeats(programs, collector, library):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        programs.run(
            """
            import asyncio, importlib, socket, sys, vedette
            vedette.configure("web", log_format="none")
            vedette.instrument()
            silent, fine, library = sys.argv[1:]
            httpx = importlib.import_module(library)
            with vedette.span("outer"), vedette.context(correlation_id="c-1"):
                for _ in range(2):
                    try:
                        httpx.get(f"http://user:pw@127.0.0.1:{silent}/slow?token=s3cret", timeout=0.1)
                    except httpx.ReadTimeout:
                        pass
                with socket.socket() as refusing:
                    refusing.bind(("127.0.0.1", 0))
                    closed = f"http://127.0.0.1:{refusing.getsockname()[1]}/closed"
                async def ask():
                    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=1)) as client:
                        try:
                            await client.get(closed)
                        except httpx.ConnectError:
                            pass
                    async with httpx.AsyncClient() as client:
                        await client.post(f"{fine}/v1/traces", content=b"")
                asyncio.run(ask())
                with httpx.Client(transport=httpx.HTTPTransport(retries=1)) as client:
                    try:
                        client.request("PURGE", closed)
                    except httpx.ConnectError:
                        pass
            """,
            str(silent.getsockname()[1]),
            collector.url,
            library,
        )
    spans = [span for span in collector.spans if span.name in {"GET", "POST", "HTTP"}]
    first, second, refused, posted, refused_again = map(attributes_of, spans)
    assert (first["error.type"], first["timeout"]) == (f"{library}.ReadTimeout", True)
    assert "http.request.resend_count" not in first
    assert second["http.request.resend_count"] == 1
    assert "s3cret" not in str(collector.requests)
    assert refused["connection.retries"] == refused_again["connection.retries"] == 1
    assert "connection.retries" not in posted
    assert posted["http.response.status_code"] == 200
    assert (refused_again["http.request.method"], refused_again["http.request.method_original"]) == ("_OTHER", "PURGE")
    sent = next(headers for _, headers, message in collector.requests if not message.ByteSize())
    named = {key.lower(): value for key, value in sent.items()}
    assert named["traceparent"].split("-")[2] == spans[3].span_id.hex()
    assert named["x-correlation-id"] == "c-1"
