"""What the terminal shows is what the API answered, and nothing in it is obeyed."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from vedette.cli.client import Client, RequestFailed
from vedette.demo.view.reading import Reading, read
from vedette.demo.view.screen import PlainView, Situation, farewell, picture, snapshot

URL = "http://127.0.0.1:7070"
OPENED = 1_700_000_000.0
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SITUATION = Situation(
    seconds_open=75.0,
    demand=1.4,
    incidents=frozenset({"provider_slow"}),
    versions={"gateway": "4.0.2", "payments": "1.0.5"},
    gateway_url="http://127.0.0.1:17100",
)


def span(span_id: str, parent: str | None, service: str, name: str, start: int, **more: object) -> dict[str, Any]:
    return {
        "trace_id": TRACE_ID,
        "span_id": span_id,
        "parent_span_id": parent,
        "service": service,
        "name": name,
        "kind": "server",
        "start_time_unix_nano": start,
        "duration_ns": 20_000_000,
        "status": "unset",
        "status_message": "",
        **more,
    }


TRACE = {
    "trace_id": TRACE_ID,
    "start_time": "2023-11-14T22:13:20.000000000Z",
    "start_time_unix_nano": 1_700_000_000_000_000_000,
    "duration_ns": 250_000_000,
    "spans": [
        span("c", "b", "payments", "POST /charges", 1_700_000_000_050_000_000, status="error"),
        span("a", None, "gateway", "POST /checkout", 1_700_000_000_000_000_000, duration_ns=250_000_000),
        span("d", "a", "catalog", "GET \x1b[31m<script>", 1_700_000_000_001_000_000),
        span("b", "a", "orders", "POST /orders", 1_700_000_000_040_000_000),
        span("e", "gone", "worker", "process order.placed", 1_700_000_000_200_000_000, kind="consumer"),
    ],
}
ANSWERS: dict[str, Any] = {
    "/api/v1/services": {
        "from": "2023-11-14T22:13:00Z",
        "to": "2023-11-14T22:15:00Z",
        "services": [
            {
                "service": "payments",
                "request_count": 50,
                "error_rate": 0.25,
                "p50_ms": 80.04,
                "p95_ms": 2010.5,
                "p99_ms": None,
            },
            {
                "service": "gateway",
                "request_count": 325,
                "error_rate": 0.01,
                "p50_ms": 4,
                "p95_ms": 90,
                "p99_ms": 250.2,
            },
        ],
    },
    "/api/v1/logs": {
        "logs": [
            {
                "time": "2026-11-21T03:00:01.123456789Z",
                "service": "payments",
                "severity": "error",
                "body": "no answer for '\x1b]0;owned\x07 [bold]\u202egnp'",
                "trace_id": TRACE_ID,
            }
        ]
    },
    "/api/v1/traces": {
        "traces": [
            {"trace_id": "f" * 32, "services": ["gateway"], "error_count": 9, "span_count": 50},
            {"trace_id": TRACE_ID, "services": ["gateway", "orders"], "error_count": 1, "span_count": 5},
        ]
    },
    f"/api/v1/traces/{TRACE_ID}": TRACE,
}


class Answering(Client):
    """A client whose server answers from a table; a path that is missing there fails."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(URL)
        self.answers = answers

    def json(self, path: str, *_: object, **__: object) -> Any:
        if path not in self.answers:
            raise RequestFailed("The engine is starting.", status=503)
        return self.answers[path]


def drawn(reading: Reading, height: int = 50) -> str:
    console = Console(file=io.StringIO(), width=120, height=height, force_terminal=True, color_system=None)
    console.print(picture(reading, SITUATION, URL, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_snapshot_tells_figures_errors_and_the_trace_across_most_services() -> None:
    text = snapshot(read(Answering(ANSWERS), Reading(), OPENED), SITUATION)
    lines = text.splitlines()
    assert "the payment provider is slow" in lines[1]
    assert lines[3].split() == ["gateway", "4.0.2", "3.25", "1.0%", "4.0", "90.0", "250"]
    assert lines[4].split() == ["payments", "1.0.5", "0.50", "25.0%", "80.0", "2010", "-"]
    assert lines[5].startswith("03:00:01 ERROR payments")
    assert f"trace {TRACE_ID}" in text
    places = [
        text.index(name) for name in ("POST /checkout", "<script>", "POST /orders", "POST /charges", "process order")
    ]
    assert places == sorted(places)


def test_the_picture_shows_the_same_and_the_commands_to_go_on_with() -> None:
    text = drawn(read(Answering(ANSWERS), Reading(), OPENED))
    for expected in ("gateway", "4.0.2", "25.0%", "2010", "03:00:01", "POST /charges", "error", "process order.placed"):
        assert expected in text
    for command in (
        "vedette query logs 'severity:error'",
        f"vedette query traces {TRACE_ID}",
        "vedette tail",
        "--service orders",
        "curl '",
    ):
        assert command in text


def test_what_telemetry_says_is_never_obeyed_by_the_terminal() -> None:
    reading = read(Answering(ANSWERS), Reading(), OPENED)
    for text in (drawn(reading), snapshot(reading, SITUATION)):
        assert "\x1b]" not in text
        assert "\x1b[31m" not in text
        assert "\u202e" not in text
        assert "\\x1b[31m<script>" in text
        assert "[bold]" in text


def test_the_picture_fits_into_a_small_terminal() -> None:
    many = {**TRACE, "spans": [span(str(n), None, "gateway", f"step {n}", n) for n in range(500)]}
    reading = read(Answering({**ANSWERS, f"/api/v1/traces/{TRACE_ID}": many}), Reading(), OPENED)
    for height in (24, 36, 60):
        text = drawn(reading, height)
        assert len(text.splitlines()) <= height
        assert "more spans" in text


def test_a_failing_platform_is_named_and_the_last_answers_stay() -> None:
    before = read(Answering(ANSWERS), Reading(), OPENED)
    after = read(Answering({}), before, OPENED)
    assert after.services == before.services
    assert after.trace == before.trace
    assert after.trouble == "The engine is starting."
    assert "The engine is starting." in drawn(after)


def test_before_the_first_data_the_view_says_that_it_waits() -> None:
    empty = {
        "/api/v1/services": {**ANSWERS["/api/v1/services"], "services": []},
        "/api/v1/logs": {"logs": []},
        "/api/v1/traces": {"traces": []},
    }
    reading = read(Answering(empty), Reading(), OPENED)
    assert "waiting for the first spans" in drawn(reading)


def test_plain_text_comes_with_the_first_data_and_names_the_commands_once() -> None:
    console = Console(file=io.StringIO(), width=100)
    with PlainView(console, URL) as view:
        view.show(Reading(), SITUATION)
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue() == ""
        view.show(read(Answering(ANSWERS), Reading(), OPENED), SITUATION)
        view.show(read(Answering(ANSWERS), Reading(), OPENED), SITUATION)
    assert console.file.getvalue().count("vedette tail") == 1
    assert console.file.getvalue().count("vedette demo ") == 1


def test_commands_name_a_platform_that_is_elsewhere() -> None:
    assert "vedette tail --url http://127.0.0.1:7999" in farewell("http://127.0.0.1:7999", None)
