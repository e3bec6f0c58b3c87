"""`vedette query traces` as somebody types it."""

from __future__ import annotations

import json
import time

import typer
from otlp_spans import NS, Span, Tenant
from typer.testing import CliRunner

from vedette.cli.query_traces import traces, tree_lines

T0 = (time.time_ns() // NS - 300) * NS
app = typer.Typer()
app.command()(traces)


def run(tenant: Tenant, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--url", tenant.platform.url])
    assert result.exit_code == 0, result.output
    return result.stdout


def spans_of(*spans: Span) -> dict:
    return {
        "trace_id": "0" * 31 + "1",
        "start_time_unix_nano": T0,
        "duration_ns": 100,
        "spans": [
            {
                "span_id": span.span_id,
                "parent_span_id": span.parent or None,
                "start_time_unix_nano": span.start,
                "duration_ns": span.duration,
                "name": span.name,
                "service": span.service,
                "kind": span.kind,
                "status": span.status,
                "status_message": span.message,
            }
            for span in spans
        ],
    }


def lines(document: dict, **options) -> list[str]:
    return [line.plain for line in tree_lines(document, **{"limit": 100} | options)]


def test_a_tree_shows_who_called_whom_when_and_how_long() -> None:
    a = Span("a", T0, 100, service="gateway", kind="server")
    b = Span("b", T0 + 50, 25, parent=a.span_id, status="error", message="away")
    c = Span("c", T0 + 55, 5, parent=b.span_id)
    d = Span("d", T0 + 80, 20, parent=a.span_id)
    assert lines(spans_of(d, c, b, a)) == [
        "████████████████████    100 ns gateway a server",
        "··········█████·····     25 ns ├─ shop b error: away",
        "···········█········      5 ns │  └─ shop c",
        "················████     20 ns └─ shop d",
    ]
    assert lines(spans_of(a, b), ascii_only=True)[1] == "..........#####.....     25 ns `- shop b error: away"


def test_every_span_is_shown_once_whatever_the_parents_say() -> None:
    orphan = Span("orphan", T0, parent="f" * 16)
    own = Span("own parent", T0 + 1)
    own.parent = own.span_id
    x, y = Span("x", T0 + 2), Span("y", T0 + 3)
    x.parent, y.parent = y.span_id, x.span_id
    twin = Span("twin", T0 + 4, span_id=x.span_id, parent=y.span_id)
    shown = lines(spans_of(orphan, own, x, y, twin))
    assert [line.rsplit("shop ", 1)[1] for line in shown] == ["orphan", "own parent", "x", "y", "twin"]


def test_a_deep_trace_and_a_wide_one_end() -> None:
    chain = [Span("s", T0)]
    for _ in range(5_000):
        chain.append(Span("s", T0, parent=chain[-1].span_id))
    shown = lines(spans_of(*chain), limit=3_000)
    assert len(shown) == 3_001
    assert "2001 more spans" in shown[-1]
    assert max(map(len, shown)) < 200


def test_what_a_terminal_obeys_is_inert() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\n\r\u202e[bold]x[/]"
    shown = lines(spans_of(Span(evil, T0, service=evil, status="error", message=evil)))
    assert "[bold]x[/]" in shown[0]
    assert not {"\x1b", "\x07", "\n", "\r", "\u202e"} & set("".join(shown))


def test_a_trace_by_its_id(shared_platform) -> None:
    tenant = Tenant(shared_platform, "default")
    root = Span("POST /cart", T0, 40_000_000, service="gateway", kind="server")
    child = Span(
        "cha\x1b[2Jrge", T0, 20_000_000, trace_id=root.trace_id, parent=root.span_id, service="payments", status="error"
    )
    tenant.send(root, child)
    shown = run(tenant, root.trace_id)
    assert f"trace {root.trace_id}" in shown
    assert "2 spans, 2 services  1 errors" in shown
    assert "└─ payments cha\\x1b[2Jrge" in shown
    assert "40.00 ms gateway POST /cart server" in shown
    assert "\x1b" not in shown
    assert "1 more spans" in run(tenant, root.trace_id, "--limit", "1")
    raw = run(tenant, root.trace_id, "--json")
    assert json.loads(raw)["span_count"] == 2
    assert "\x1b" not in raw


def test_a_search(shared_platform) -> None:
    tenant = Tenant(shared_platform, "default")
    mark = f"mark-{time.time_ns()}"
    slow = Span(f"slow {mark}", T0, 2 * NS, service="cli", attributes={"mark": mark})
    fast = Span(f"fast {mark}", T0 + 1, 3_000, service="cli", attributes={"mark": mark}, status="error")
    tenant.send(slow, fast)
    newest = run(tenant, f"mark:{mark}").splitlines()
    assert [line.split(mark)[0].split()[-1] for line in newest[::2]] == ["fast", "slow"]
    assert newest[3].split() == [slow.trace_id, "1", "spans", "0", "errors", "cli"]
    assert "2.00 s  cli slow" in newest[2]
    slowest = run(tenant, f"mark:{mark}", "--slowest", "--limit", "1")
    assert f"slow {mark}" in slowest
    assert f"fast {mark}" not in slowest
    assert "There are more" in slowest
    assert json.loads(run(tenant, f"mark:{mark}", "--service", "cli", "--json"))["traces"][0]["error_count"] == 1
    assert "No trace matches" in run(tenant, f"mark:{mark}", "--service", "other")


def test_a_bad_query_is_one_sentence(shared_platform) -> None:
    url = shared_platform.url
    result = CliRunner().invoke(app, ['a "b', "--url", url])
    assert result.exit_code == 1
    assert (
        result.stderr
        == "vedette: Parameter 'q' cannot be read: the quote that opens here is never closed. (character 3)\n"
    )
    missing = CliRunner().invoke(app, ["f" * 32, "--url", url])
    assert (missing.exit_code, "There is no trace" in missing.stderr) == (1, True)
