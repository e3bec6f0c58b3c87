"""Search, breakdown, completion and export over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_spans import NS, Event, Span, Tenant

from vedette.server.engine.client import Engine

MINUTE = 60 * NS
T0 = (time.time_ns() // MINUTE - 3) * MINUTE


@pytest.fixture(scope="module")
def shop_tenant(shared_platform) -> Tenant:
    return Tenant(shared_platform, "traces-shop")


@pytest.fixture(scope="module")
def shop(shop_tenant: Tenant) -> dict[str, Span]:
    spans = {
        "fast": Span(
            "GET /cart",
            T0 + 1 * NS,
            5_000_000,
            service="gateway",
            kind="server",
            attributes={"http.route": "/cart", "http.status_code": 200, "user": "ann", "share": 0.25, "vip": True},
            resource={"host.name": "web-1", "pid": 10},
        ),
        "slow": Span(
            "GET /cart/items",
            T0 + 2 * NS,
            900_000_000,
            service="gateway",
            kind="server",
            attributes={"http.route": "/cart/items", "http.status_code": 503, "user": "bob", "empty": ""},
            resource={"host.name": "web-2", "pid": 11},
            status="error",
            message="backend away",
        ),
        "job": Span(
            "charge card",
            T0 + 3 * NS,
            50_000_000,
            service="payments",
            kind="consumer",
            attributes={"card": 'visa "gold"', "retries": 3, "amount": 1e3},
            events=[Event("card.declined", T0 + 3 * NS, {"reason": 'no "funds"/limit'})],
            status="ok",
        ),
    }
    shop_tenant.send(*spans.values())
    return spans


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "job slow fast"),
        ("service:gateway", "slow fast"),
        ("-service:gateway", "job"),
        ("name:GET*", "slow fast"),
        ('operation:"charge card"', "job"),
        ("kind:consumer", "job"),
        ("kind:SPAN_KIND_SERVER", "slow fast"),
        ("status:error", "slow"),
        ("error:false", "job fast"),
        ("error:true service:payments", ""),
        ("duration:>=50ms", "job slow"),
        ("duration:>50ms", "slow"),
        ("duration:<0.006s", "fast"),
        ("http.route:/cart", "fast"),
        ("http.route:/cart*", "slow fast"),
        ("http.route:*", "slow fast"),
        ("-http.route:*", "job"),
        ("http.route:~^/cart/", "slow"),
        ("http.route:!~items", "fast"),
        ("http.route:!=/cart", "slow"),
        ("-http.route:/cart", "job slow"),
        ("http.status_code:>=500", "slow"),
        ("http.status_code:200", "fast"),
        ("share:<0.3", "fast"),
        ("vip:true", "fast"),
        ("amount:>=1000", "job"),
        ('empty:""', "slow"),
        ('user:""', ""),
        ('card:"visa \\"gold\\""', "job"),
        ("host.name:web-1", "fast"),
        ("resource.host.name:web-*", "slow fast"),
        ("attribute.host.name:*", ""),
        ("resource.pid:>10", "slow"),
        ("resource.pid:10", "fast"),
        ("event:card.declined", "job"),
        ("event:card*", "job"),
        ("status_message:*away", "slow"),
        ("root:true user:*", "slow fast"),
        ("root:false", ""),
        ("scope.name:test kind:consumer", "job"),
        ("DECLINED", "job"),
        ('"no \\"funds\\"/limit"', "job"),
        ("gold", "job"),
        ("away", "slow"),
        ("nowhere-to-be-found", ""),
    ],
)
def test_what_a_query_finds(shop, shop_tenant: Tenant, query: str, found: str) -> None:
    assert shop_tenant.search(query) == [shop[name].trace_id for name in found.split()]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"service": "payments"}, "job"),
        ({"operation": "GET /cart"}, "fast"),
        ({"kind": "server", "status": "error"}, "slow"),
        ({"error": "true"}, "slow"),
        ({"min_duration": "6ms", "max_duration": "100ms"}, "job"),
        ({"attr": ["http.route:/cart*", "user:=ann"]}, "fast"),
        ({"attr": "http.status_code:>=500"}, "slow"),
        ({"attr": "-http.route:*"}, "job"),
        ({"attr": "host.name:*"}, ""),
        ({"resource": "host.name:~2$"}, "slow"),
        ({"text": "DECLINED"}, "job"),
        ({"service": "gateway", "q": "-error:true"}, "fast"),
        ({"from_": T0 // NS + 2, "to": T0 // NS + 3}, "slow"),
        ({"order": "slowest"}, "slow job fast"),
    ],
)
def test_what_parameters_find(shop, shop_tenant: Tenant, params: dict, found: str) -> None:
    assert shop_tenant.search(**params) == [shop[name].trace_id for name in found.split()]


def test_a_hit_tells_what_the_trace_is_and_what_matched(tenant: Tenant) -> None:
    root = Span("GET /", T0, 80_000_000, service="gateway", kind="server")
    children = [
        Span(
            f"query {number}",
            T0 + number * 1_000_000,
            2_000_000,
            trace_id=root.trace_id,
            parent=root.span_id,
            service="orders",
            kind="client",
            status="error" if number == 5 else "unset",
        )
        for number in range(1, 6)
    ]
    tenant.send(*reversed(children), root)
    [hit] = tenant.get("/api/v1/traces", q="service:orders")["traces"]
    assert hit["trace_id"] == root.trace_id
    assert (hit["root_service"], hit["root_name"]) == ("gateway", "GET /")
    assert (hit["span_count"], hit["error_count"], hit["duration_ns"]) == (6, 1, 80_000_000)
    assert hit["start_time_unix_nano"] == T0
    assert hit["services"] == ["gateway", "orders"]
    assert hit["matched_count"] == 5
    assert hit["matched_spans"][0] == {
        "span_id": children[0].span_id,
        "name": "query 1",
        "service": "orders",
        "kind": "client",
        "start_time": hit["matched_spans"][0]["start_time"],
        "duration_ns": 2_000_000,
        "status": "unset",
    }
    assert len(hit["matched_spans"]) == 3


@pytest.fixture(scope="module")
def crowd(shared_platform) -> tuple[Tenant, list[tuple[int, int, str, int]]]:
    """Traces of one to four spans at few different moments: (newest start, duration, id, group)."""
    tenant = Tenant(shared_platform, "traces-crowd")
    facts, spans = [], []
    for number in range(60):
        first = Span("a", T0 + number % 4 * NS, 1_000_000 * (1 + number % 3), attributes={"group": number % 2})
        mine = [first]
        for more in range(number % 4):
            start = T0 + (number + more) % 5 * NS
            mine.append(Span("a", start, 1_000_000, trace_id=first.trace_id, attributes={"group": number % 2}))
        spans += mine
        begin, end = min(s.start for s in mine), max(s.start + s.duration for s in mine)
        facts.append((max(s.start for s in mine), end - begin, first.trace_id, number % 2))
    tenant.send(*spans)
    return tenant, facts


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 70), order=st.sampled_from(["newest", "slowest"]), group=st.sampled_from([None, 0, 1]))
def test_pages_together_are_all_matches_in_order_and_none_twice(crowd, limit: int, order: str, group) -> None:
    tenant, facts = crowd
    params = {"limit": limit, "order": order} | ({} if group is None else {"q": f"group:{group}"})
    seen, cursor = [], None
    while True:
        page = tenant.get("/api/v1/traces", params | ({"cursor": cursor} if cursor else {}))
        assert len(page["traces"]) <= limit
        seen += [trace["trace_id"] for trace in page["traces"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["traces"]) == limit
    key = 0 if order == "newest" else 1
    wanted = [fact for fact in facts if group is None or fact[3] == group]
    assert seen == [fact[2] for fact in sorted(wanted, key=lambda fact: (fact[key], fact[2]), reverse=True)]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_the_newest_come_first_however_far_apart_they_are(tenant: Tenant, limit: int) -> None:
    now = time.time_ns()
    hours = [0.01, 2, 2.01, 9, 50, 51, 95]
    spans = [Span("far", now - int(hour * 3600) * 10**9) for hour in hours]
    tenant.send(*spans)
    seen, cursor = [], None
    while True:
        page = tenant.get("/api/v1/traces", {"from": "4d", "cursor": cursor or ""}, limit=limit)
        seen += [trace["trace_id"] for trace in page["traces"]]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == [span.trace_id for span in spans]


def test_traces_that_arrive_while_paging_do_not_disturb_the_pages(tenant: Tenant) -> None:
    old = [Span("a", T0 + number * 1_000_000) for number in range(6)]
    tenant.send(*old)
    first = tenant.get("/api/v1/traces", limit=3)
    tenant.send(Span("a", time.time_ns()))
    second = tenant.get("/api/v1/traces", limit=3, cursor=first["next_cursor"])
    seen = [trace["trace_id"] for page in (first, second) for trace in page["traces"]]
    assert seen == [span.trace_id for span in reversed(old)]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("order", ["newest", "slowest"])
def test_a_trace_that_the_index_has_not_yet_or_not_whole_is_on_its_page(tenant: Tenant, order: str) -> None:
    root, other = Span("root", T0, 2 * NS), Span("root", T0 + 3 * NS, 3 * NS)
    tenant.send(root, other, Span("leaf", T0 + 1 * NS, trace_id=root.trace_id, parent=root.span_id))
    among = f"FROM vedette.trace_index WHERE tenant = '{tenant.name}' AND trace_id = unhex('{root.trace_id}')"
    whole = tenant.get("/api/v1/traces", q="name:root", order=order)["traces"]
    assert [trace["trace_id"] for trace in whole] == [other.trace_id, root.trace_id]

    async def unknown(start: int | None) -> None:
        """What the index has between the insert of the spans and its own: of a trace, nothing, or a later span."""
        engine = Engine(f"unix://{tenant.platform.data_dir}/engine.sock")
        await engine.execute(f"DELETE {among}")
        if start is not None:
            await engine.execute(
                "INSERT INTO vedette.trace_index (tenant, day, trace_id, start, end, span_count) "
                f"SELECT '{tenant.name}', toDate(at), unhex('{root.trace_id}'), at, at, 1 "
                f"FROM (SELECT fromUnixTimestamp64Nano({start}) AS at)"
            )
        await engine.close()

    for start in (None, T0 + 1 * NS):
        asyncio.run(unknown(start))
        shown = tenant.get("/api/v1/traces", q="name:root", order=order)["traces"]
        # The leaf does not match, and so is not counted where the index has not the root.
        assert shown == [whole[0], whole[1] | {"span_count": 1}]
        first = tenant.get("/api/v1/traces", q="name:root", order=order, limit=1)
        assert first["traces"] == shown[:1]
        second = tenant.get("/api/v1/traces", q="name:root", order=order, limit=1, cursor=first["next_cursor"])
        assert second["traces"] == shown[1:]


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "e30", "WzFd", "bm90IGpzb24", "%00", "WyJhIiwxLDIsMywiYiJd", "A" * 5000, "=", "é"]
)
def test_a_forged_cursor_is_refused(tenant: Tenant, cursor: str) -> None:
    answer = tenant.ask("/api/v1/traces", cursor=cursor)
    assert answer.status == 400
    assert "'cursor'" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/traces?q=a:b&", "/api/v1/traces/breakdown?by=x&text=y&"])
def test_conditions_are_bounded_wherever_they_stand(tenant: Tenant, path: str) -> None:
    answer = tenant.ask(path + "&".join(["attr=a:b", "resource=c:d"] * 32))
    assert (answer.status, answer.json()["detail"]) == (400, "A search has at most 64 conditions, not 65.")


@pytest.mark.usefixtures("shop")
def test_a_cursor_of_another_search_is_refused(shop_tenant: Tenant) -> None:
    cursor = shop_tenant.get("/api/v1/traces", limit=1)["next_cursor"]
    answer = shop_tenant.ask("/api/v1/traces", limit=1, cursor=cursor, q="error:true")
    assert (answer.status, "another search" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("params", "says", "position"),
    [
        ({"q": "a:~["}, "no regular expression", 3),
        ({"q": "-a:!~(x"}, "no regular expression", 5),
        ({"q": 'a "b'}, "never closed", 2),
        ({"attr": "a"}, "'attr'", 0),
        ({"attr": "a:~*"}, "no regular expression", 3),
        ({"resource": "a:>x"}, "'resource'", 3),
        ({"min_duration": "5"}, "'min_duration'", 0),
        ({"error": "perhaps"}, "'error'", 0),
        ({"kind": "x"}, "'kind'", 0),
        ({"from_": "yesterday"}, "'from'", None),
        ({"from_": "1h", "to": "2h"}, "'from'", None),
        ({"limit": 0}, "limit", None),
        ({"limit": 10**9}, "limit", None),
        ({"order": "best"}, "order", None),
    ],
)
def test_a_bad_question_names_the_place(tenant: Tenant, params: dict, says: str, position: int | None) -> None:
    answer = tenant.ask("/api/v1/traces", params)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert says in answer.json()["detail"]
    assert answer.json().get("position") == position


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.text(max_size=40)
    | st.from_regex(r"-?[a-z.]{1,8}:(>=|!=|~|!~|=|<|)[\\(\[*+?a-z0-9.]{1,9}( [a-z:*~]{0,9})?", fullmatch=True)
)
def test_no_query_makes_the_server_fail(shop_tenant: Tenant, query: str) -> None:
    answer = shop_tenant.ask("/api/v1/traces", q=query)
    assert answer.status in {200, 400}, (query, answer.body)


@pytest.mark.usefixtures("shop")
def test_a_breakdown_counts_every_value(shop_tenant: Tenant) -> None:
    found = shop_tenant.get("/api/v1/traces/breakdown", by="service")
    assert (found["by"], found["total_count"], found["value_count"]) == ("service", 3, 2)
    assert [(g["value"], g["count"], g["error_count"]) for g in found["groups"]] == [
        ("gateway", 2, 1),
        ("payments", 1, 0),
    ]
    assert found["groups"][1]["p50_ms"] == found["groups"][1]["p99_ms"] == 50.0
    some = shop_tenant.get("/api/v1/traces/breakdown", by="http.route", limit=1)
    assert (some["total_count"], some["value_count"], len(some["groups"])) == (2, 2, 1)
    hosts = shop_tenant.get("/api/v1/traces/breakdown", by="resource.host.name", q="error:true")
    assert [group["value"] for group in hosts["groups"]] == ["web-2"]
    assert shop_tenant.get("/api/v1/traces/breakdown", by="nothing")["groups"] == []
    assert shop_tenant.ask("/api/v1/traces/breakdown", by="").status == 400


@pytest.mark.usefixtures("shop")
def test_completion_of_keys_and_values(shop_tenant: Tenant) -> None:
    keys = {row["key"] for row in shop_tenant.get("/api/v1/traces/attributes", prefix="http.")["attributes"]}
    assert keys == {"http.route", "http.status_code"}
    every = {row["key"] for row in shop_tenant.get("/api/v1/traces/attributes")["attributes"]}
    assert {"user", "resource.host.name"} <= every
    values = shop_tenant.get("/api/v1/traces/attributes/http.route/values")["values"]
    assert {(row["value"], row["count"]) for row in values} == {("/cart", 1), ("/cart/items", 1)}
    some = shop_tenant.get("/api/v1/traces/attributes/http.route/values", prefix="/cart/")["values"]
    assert [row["value"] for row in some] == ["/cart/items"]
    for key in ("resource.host.name", "host.name"):
        hosts = shop_tenant.get(f"/api/v1/traces/attributes/{key}/values")["values"]
        assert {row["value"] for row in hosts} == {"web-1", "web-2"}
    assert shop_tenant.get("/api/v1/traces/attributes/attribute.host.name/values")["values"] == []
    for key, counts in (
        ("service", {"gateway": 2, "payments": 1}),
        ("name", {"GET /cart": 1, "GET /cart/items": 1, "charge card": 1}),
        ("kind", {"server": 2, "consumer": 1}),
        ("status", {"unset": 1, "ok": 1, "error": 1}),
    ):
        found = shop_tenant.get(f"/api/v1/traces/attributes/{key}/values")["values"]
        assert {row["value"]: row["count"] for row in found} == counts
    old = {"from_": "now-90d", "to": "now-60d"}
    assert shop_tenant.get("/api/v1/traces/attributes", old)["attributes"] == []
    assert shop_tenant.get("/api/v1/traces/attributes/http.route/values", old)["values"] == []


def test_an_export_holds_every_matching_span_in_every_format(shop, shop_tenant: Tenant) -> None:
    ids = [shop["slow"].span_id, shop["job"].span_id]
    asked = {"q": "duration:>=50ms"}
    lines = shop_tenant.ask("/api/v1/traces/export", asked).body.splitlines()
    assert [json.loads(line)["span_id"] for line in lines] == ids
    assert json.loads(lines[0])["resource"]["host.name"] == "web-2"
    answer = shop_tenant.ask("/api/v1/traces/export", asked, format="csv")
    assert 'filename="spans.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert [row["span_id"] for row in rows] == ids
    assert json.loads(rows[1]["attributes"])["retries"] == 3
    arrow = pa.ipc.open_stream(shop_tenant.ask("/api/v1/traces/export", asked, format="arrow").body).read_all()
    parquet = pq.read_table(io.BytesIO(shop_tenant.ask("/api/v1/traces/export", asked, format="parquet").body))
    for table in (arrow, parquet):
        assert table.column("span_id").to_pylist() == ids
        assert dict(table.column("attributes").to_pylist()[1])["amount"] == "1000"
        assert table.column("start_time").type == pa.timestamp("ns", tz="UTC")
    assert len(shop_tenant.ask("/api/v1/traces/export", limit=1).body.splitlines()) == 1
    assert shop_tenant.ask("/api/v1/traces/export", format="xls").status == 400


def test_cells_of_a_csv_that_a_spreadsheet_would_run_are_inert(tenant: Tenant) -> None:
    names = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "fine", '"quoted", and more']
    tenant.send(*(Span(name, T0 + number, service=name) for number, name in enumerate(names)))
    body = tenant.ask("/api/v1/traces/export", format="csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    assert [row["name"] for row in rows] == [f"'{name}" if name not in names[-2:] else name for name in names]
    assert [row["service"] for row in rows] == [row["name"] for row in rows]
