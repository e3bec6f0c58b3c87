"""The usage that the SDK promises, as it is printed, in one program."""

from __future__ import annotations

import json
import subprocess
import sys

from sdk_programs import attributes_of

import vedette

USAGE = """
import asyncio
import vedette
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()

@app.get("/orders/{order}")
def order(order: int): return order

class User: email = "ann@example.org"
user = User()

class Agent(vedette.ObservableAgent): agent_id = "planner"
agent = Agent()

vedette.configure("checkout")                      # endpoint, keys, sampling from arguments, VEDETTE_* or OTEL_* variables
vedette.instrument(app)                            # FastAPI/Starlette/any ASGI or WSGI app; vedette.instrument() = all installed libraries
vedette.instrument()

log = vedette.get_logger(__name__)
log.with_context(user_id=123).info("order placed", order_id=42)

with vedette.span("charge card", amount=9.99) as span:
    span.set_attribute("payment.provider", "acme")

@vedette.traced                                    # or @vedette.traced("ml_pipeline", epochs=100); sync, async, generators
async def train(): ...

@vedette.traced("ml_pipeline", epochs=100)
def pipeline():
    with vedette.span("inside"):
        yield 1
    yield 2

orders = vedette.counter("orders_total", "Orders placed", labels=["status"])
orders.labels("ok").inc()
with vedette.histogram("stage_seconds", "Time per stage").time(): ...

vedette.audit("order.refund", actor=user.email, target="order/42", result="success", amount=9.99)

obs = vedette.observe(agent, metrics=True, tracing=True, logging=True, audit=True)   # also agent.enable_observability(...) by mixin

asyncio.run(train())
assert list(pipeline()) == [1, 2]
assert TestClient(app).get("/orders/7").json() == 7
"""


def test_the_usage_works_as_printed(programs, collector):
    programs.run(USAGE, XDG_STATE_HOME=str(programs.directory))
    names = collector.names()
    assert {"charge card", "train", "ml_pipeline", "inside", "GET /orders/{order}"} <= set(names)
    charged = next(span for span in collector.spans if span.name == "charge card")
    assert attributes_of(charged) == {"amount": 9.99, "payment.provider": "acme"}
    pipeline = next(span for span in collector.spans if span.name == "ml_pipeline")
    inside = next(span for span in collector.spans if span.name == "inside")
    assert (attributes_of(pipeline), inside.parent_span_id) == ({"epochs": 100}, pipeline.span_id)
    metrics = {metric.name for metric in collector.metrics}
    assert {"orders_total", "stage_seconds", "http_server_requests_total"} <= metrics
    (audited,) = (programs.directory / "vedette" / "audit" / "checkout.jsonl").read_text().splitlines()
    assert json.loads(audited)["actor"] == "ann@example.org"


def test_importing_loads_nothing_of_the_platform_and_little_at_all():
    code = "import sys, vedette; vedette.configure; vedette.span; vedette.get_logger; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert not [name for name in loaded if name.startswith(("vedette.server", "vedette.cli", "opentelemetry.sdk"))]
    heavy = {"http.client", "ssl", "asyncio", "sqlalchemy", "fastapi", "httpx", "prometheus_client", "numpy"}
    assert not heavy & loaded


def test_every_name_of_the_surface_exists():
    for name in vedette.__all__:
        assert getattr(vedette, name) is not None
