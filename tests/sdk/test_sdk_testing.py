"""What `vedette.testing` gives to other people's tests, and programs run by `vedette run`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import vedette
from vedette.sdk.agents.conventions import cost_usd
from vedette.testing import BudgetBroken, TelemetryBudget, capture


def work(queries: int = 1) -> None:
    with vedette.span("request", user=1):
        for _ in range(queries):
            with vedette.span("query", **{"db.query.text": "SELECT 1"}):
                pass
        vedette.get_logger("app").info("done", queries=queries)
        logging.getLogger("std").warning("from %s", "std")
        vedette.counter("worked_total", labels=["kind"]).labels("x").inc(queries)


def test_what_a_block_records_is_captured():
    with capture() as telemetry:
        work(2)
        telemetry.assert_spans(["query", "query", "request"])
        telemetry.assert_spans(
            """
request
  query
  query
"""
        )
        assert telemetry.spans[-1].attributes == {"user": 1}
        assert [(log.level, log.logger, log.message) for log in telemetry.logs] == [
            ("info", "app", "done"),
            ("warning", "std", "from std"),
        ]
        assert telemetry.logs[0].fields == {"queries": 2}
        assert telemetry.metric("worked_total", kind="x") == 2
        with pytest.raises(AssertionError, match="The trace is"):
            telemetry.assert_spans("request")
        telemetry.clear()
        assert (telemetry.spans, telemetry.metric("worked_total", kind="x")) == ([], 0)
    with capture() as again:
        work(1)
        assert again.metric("worked_total", kind="x") == 1


def test_what_follows_a_configure_inside_a_block_is_captured():
    with capture() as outer:
        with capture() as inner:
            vedette.configure("shop", export=False, log_format="none", process_metrics=False)
            work(1)
        work(1)
        inner.assert_spans(["query", "request"])
        assert (len(inner.logs), len(outer.spans), len(outer.logs)) == (2, 4, 4)
        vedette.shutdown()
    with capture() as again:
        work(1)
        assert (len(again.spans), len(again.logs), len(outer.spans)) == (2, 2, 4)


def test_budgets_are_held_or_named():
    with capture() as telemetry:
        work(5)
    TelemetryBudget(spans=6, queries=5, logs=2, errors=0).check(telemetry)
    with pytest.raises(BudgetBroken, match="queries: 5 of 3, repeated_queries: 5 of 1"):
        TelemetryBudget(queries=3, repeated_queries=1).check(telemetry)


def test_tokens_and_their_price_are_counted_once_whoever_tells_them():
    def call(**attributes):
        usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500}
        with vedette.span(
            "chat", **{"gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"}, **usage
        ) as span:
            span.set_attributes(attributes)

    agent = vedette.observe(object(), service_name="agent", audit=False)
    with capture() as telemetry:
        with vedette.span("agent", **{"gen_ai.usage.input_tokens": 3000, "gen_ai.usage.output_tokens": 1500}):
            with vedette.span("step"):
                call()  # as the instrumentations of LangChain and of OpenAI's agents say it
            call(**{"operation.cost": 0.01})
            with agent.llm("openai", "gpt-4o") as own:
                call(**{"gen_ai.usage.cost_usd": 0.02})
                own.usage(1000, 500)
        with agent.llm("openai", "gpt-4o") as own:
            own.usage(1000, 500)
    price = cost_usd("openai", "gpt-4o", 1000, 500)
    assert price
    TelemetryBudget(tokens=6000, usd=2 * price + 0.030001).check(telemetry)
    with pytest.raises(BudgetBroken, match="tokens: 6000 of 5999, usd: "):
        TelemetryBudget(tokens=5999, usd=2 * price + 0.029999).check(telemetry)


def test_a_baseline_is_stored_and_compared(tmp_path):
    path = tmp_path / "baselines" / "work.json"
    for queries, fine in ((3, True), (3, True), (2, True), (4, False)):
        with capture() as telemetry:
            work(queries)
        if fine:
            TelemetryBudget.check_baseline(telemetry, path)
        else:
            with pytest.raises(BudgetBroken, match=r"spans: 5, baseline 4, queries: 4, baseline 3"):
                TelemetryBudget.check_baseline(telemetry, path)
            TelemetryBudget.check_baseline(telemetry, str(path), tolerance=0.5)


def test_the_plugin_gives_the_fixture_and_fails_tests_over_budget(tmp_path):
    (tmp_path / "test_theirs.py").write_text(
        """
import pytest, vedette

@pytest.mark.telemetry_budget(spans=1)
def test_fine(telemetry):
    with vedette.span("one"): pass
    telemetry.assert_spans(["one"])

@pytest.mark.telemetry_budget(spans=1)
def test_over(telemetry):
    for _ in range(3):
        with vedette.span("one"): pass

@pytest.mark.telemetry_budget(querys=3)
def test_misspelt(): ...

@pytest.mark.telemetry_budget(3)
def test_of_what(): ...

@pytest.mark.telemetry_budget(logs=1)
class TestAlike:
    def test_unasked(self):
        for _ in range(2): vedette.get_logger().info("said")
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if "vedette" not in {point.name for point in entry_points(group="pytest11")}:  # installed before it had the plugin
        command += ["-p", "vedette.testing.plugin"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    result = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert "2 failed, 1 passed, 2 errors" in result.stdout, result.stdout
    assert "FAILED test_theirs.py::test_over" in result.stdout
    names = "spans, queries, repeated_queries, requests, logs, errors, tokens, usd"
    assert f"telemetry_budget(querys=3): give limits by their names, which are {names}." in result.stdout
    assert "telemetry_budget(3): give limits by their names" in result.stdout
    assert "Over the telemetry budget: spans: 3 of 1" in result.stdout
    assert "Over the telemetry budget: logs: 2 of 1" in result.stdout


UNCHANGED = {
    "fastapi": (
        "/orders/{order}",
        """
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        app = FastAPI()
        app.get("/orders/{order}")(lambda order: order)
        answer = TestClient(app).get("/orders/7")
        """,
    ),
    "flask": (
        "/orders/<order>",
        """
        from flask import Flask
        app = Flask("x")
        app.get("/orders/<order>")(lambda order: order)
        answer = app.test_client().get("/orders/7")
        """,
    ),
    "litestar": (
        "/orders/{order}",
        """
        from litestar import Litestar, get
        from litestar.testing import TestClient
        @get("/orders/{order:int}", sync_to_thread=False)
        def order(order: int) -> int: return order
        answer = TestClient(Litestar([order])).get("/orders/7")
        """,
    ),
    "django asgi": (
        "/orders/<int:order>",
        """
        from django.conf import settings
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
        from django.core.asgi import get_asgi_application
        from django.http import JsonResponse
        from django.urls import path
        urlpatterns = [path("orders/<int:order>", lambda r, order: JsonResponse(order, safe=False))]
        from starlette.testclient import TestClient
        answer = TestClient(get_asgi_application()).get("/orders/7")
        """,
    ),
}


@pytest.mark.parametrize("framework", UNCHANGED)
def test_a_program_is_instrumented_without_a_change(programs, collector, framework):
    route, source = UNCHANGED[framework]
    (programs.directory / "theirs").mkdir()
    (programs.directory / "theirs" / "sitecustomize.py").write_text("import sys\nsys.their_own = True\n")
    path = programs.write(
        source
        + """
        assert answer.status_code == 200, answer
        answer.close()
        import logging, sys
        from sqlalchemy import create_engine, text
        with create_engine("sqlite://").connect() as db:
            db.execute(text("SELECT 1"))
        logging.getLogger("theirs").warning("hello")
        assert sys.their_own  # a sitecustomize of the program's own is loaded, too
        """
    )
    command = [sys.executable, "-m", "vedette.cli.main", "run", "--", sys.executable, str(path)]
    environment = programs.environment(VEDETTE_SERVICE="unchanged")
    theirs = str(programs.directory / "theirs")
    environment["PYTHONPATH"] = os.pathsep.join([theirs, environment.get("PYTHONPATH", "")])
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=programs.directory
    )
    assert result.returncode == 0, result.stderr
    scoped = [
        (of.scope.name, span.name)
        for r in collector.resources("/v1/traces")
        for of in r.scope_spans
        for span in of.spans
    ]
    assert [scope for scope, name in scoped if name == f"GET {route}"] == ["vedette.web"]
    assert any(name.startswith("SELECT") for name in collector.names())
    assert "hello" in str(collector.logs)
    resource = collector.resources("/v1/traces")[0].resource
    assert {a.key: a.value.string_value for a in resource.attributes}["service.name"] == "unchanged"


@pytest.mark.parametrize(
    ("name", "hint"), [("no-such-program", ""), ("app.py", " Is it `vedette run -- python app.py`?")]
)
def test_a_program_that_cannot_be_started_is_named(programs, name, hint):
    command = [sys.executable, "-m", "vedette.cli.main", "run", "--", name]
    result = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (
        1,
        f"vedette: '{name}' cannot be started: No such file or directory.{hint}\n",
    )


def test_what_follows_a_program_is_its_own(programs):
    path = programs.write("import sys; print(sys.argv[1:]); sys.exit(5)")
    command = [sys.executable, "-m", "vedette.cli.main", "run", sys.executable, str(path), "--help", "a b"]
    result = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (5, "['--help', 'a b']\n"), result.stderr


def test_a_sitecustomize_that_fails_costs_nothing_else(programs):
    programs.write("raise ValueError('theirs')", "sitecustomize.py")
    path = programs.write(
        """
        import importlib.util
        from vedette.sdk.configure import runtime
        assert runtime() is not None
        # Whoever looks at a module that is waited for finds a loader that can do what its own can.
        found = importlib.util.find_spec("celery")
        assert found.loader.get_filename("celery") == found.origin
        print("done")
        """
    )
    environment = programs.environment()
    environment["PYTHONPATH"] = os.pathsep.join([environment.get("PYTHONPATH", ""), str(programs.directory)])
    command = [sys.executable, "-m", "vedette.cli.main", "run", sys.executable, str(path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr
    assert "Error in sitecustomize: ValueError: theirs" in result.stderr
    assert "KeyError" not in result.stderr


def test_the_logs_of_gunicorn_are_taken_though_it_starts_after_us(programs, collector):
    programs.run(
        """
        import logging, vedette
        vedette.configure("x")
        from gunicorn.config import Config
        from gunicorn.glogging import Logger
        from gunicorn.workers.base import Worker
        log = Logger(Config())
        log.info("it begins")
        class Uvicorns(Worker):  # as uvicorn's worker does, before the application is loaded
            def __init__(self):
                own = logging.getLogger("uvicorn.error")
                own.handlers, own.propagate = log.error_log.handlers, False
        class App:
            def wsgi(self): pass
        worker = Uvicorns(); worker.app, worker.reloader = App(), None
        worker.load_wsgi()
        logging.getLogger("uvicorn.error").error("it fails")
        """
    )
    assert {"it begins", "it fails"} <= {record.body.string_value for record in collector.logs}
