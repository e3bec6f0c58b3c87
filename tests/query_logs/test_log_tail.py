"""The live tail, over a real connection."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_lines import NS, Line, Tenant, recent

from vedette.errors import InvalidInput
from vedette.server.query.logs.tail import OVERLAP, Position, parse_position


@dataclass
class Stream:
    answer: http.client.HTTPResponse
    position: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)

    def event(self) -> tuple[str, str, Any]:
        fields: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line and "data" in fields:
                break
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        if "id" in fields:
            self.position = fields["id"]
        return fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])

    def next_lines(self) -> list[str]:
        """The bodies of one batch."""
        bodies = []
        while True:
            name, _, data = self.event()
            if name == "position":
                return bodies
            if name == "message":
                self.lines.append(data)
                bodies.append(data["body"])


@contextmanager
def tail(tenant, q: str = "", last_event_id: str = ""):
    connection = http.client.HTTPConnection("127.0.0.1", tenant.platform.port)
    headers = dict(tenant.headers) | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    connection.request("GET", "/api/v1/logs/tail?" + urllib.parse.urlencode({"q": q}), headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert answer.headers["content-type"].startswith("text/event-stream")
    stream = Stream(answer)
    assert stream.event()[0] == "ready"
    try:
        yield stream
    finally:
        connection.close()


def test_new_lines_come_and_old_ones_do_not(tenant) -> None:
    at = recent()
    tenant.send(Line("old", at))
    with tail(tenant) as stream:
        tenant.send(Line("first", at + 2), Line("second", at + 3))
        assert stream.next_lines() == ["first", "second"]
        tenant.send(Line("third", at + 4))
        assert stream.next_lines() == ["third"]
    assert stream.lines == tenant.search("first OR second OR third", order="oldest")


def test_late_lines_come_whatever_time_they_bear(tenant) -> None:
    at = recent()
    tenant.send(Line("now", at))
    with tail(tenant) as stream:
        tenant.send(Line("an hour ago", at - 3600 * NS))
        assert stream.next_lines() == ["an hour ago"]
        tenant.send(Line("two years ago", at - 2 * 365 * 86_400 * NS))
        assert stream.next_lines() == ["two years ago"]
        tenant.send(Line("tomorrow", at + 86_400 * NS))
        assert stream.next_lines() == ["tomorrow"]


def test_only_what_matches_comes_and_nothing_of_other_tenants(make_tenant) -> None:
    mine, other = make_tenant(), make_tenant()
    at = recent()
    with tail(mine, "severity:error wanted") as stream:
        other.send(Line("wanted of another", at, severity="error"))
        mine.send(Line("wanted but fine", at), Line("unwanted", at, severity="error"))
        mine.send(Line("wanted", at, severity="error"))
        assert stream.next_lines() == ["wanted"]


def test_a_tail_goes_on_where_it_ended(tenant) -> None:
    at = recent()
    with tail(tenant) as stream:
        tenant.send(Line("seen", at))
        assert stream.next_lines() == ["seen"]
    tenant.send(Line("missed 1", at - 5 * NS))
    tenant.send(Line("missed 2", at + 5 * NS))
    with tail(tenant, last_event_id=stream.position) as again:
        assert again.next_lines() == ["missed 1", "missed 2"]
    with tail(tenant, last_event_id=again.position) as third:
        tenant.send(Line("last", at))
        assert third.next_lines() == ["last"]


def test_a_tail_that_began_with_nothing_resumes_too(tenant) -> None:
    with tail(tenant) as stream:
        pass
    tenant.send(Line("first of all", recent()))
    with tail(tenant, last_event_id=stream.position) as again:
        assert again.next_lines() == ["first of all"]


def test_a_flood_is_cut_to_the_newest_and_says_so(tenant) -> None:
    at = recent()
    with tail(tenant) as stream:
        tenant.send(*(Line(str(number), at + number) for number in range(1_200)))
        bodies, skipped = [], 0
        while len(bodies) + skipped < 1_200:
            name, _, data = stream.event()
            if name == "message":
                bodies.append(data["body"])
            elif name == "skipped":
                skipped += data["lines"]
    assert skipped == 200
    assert [str(body) for body in bodies] == [str(number) for number in range(200, 1_200)]


@pytest.mark.parametrize("query", ["severity:bad", "/((/", "a~"])
def test_a_query_that_is_none_is_refused_at_once(tenant, query: str) -> None:
    tenant.refused("/api/v1/logs/tail", q=query)


@pytest.mark.parametrize("event_id", ["x", "20260101.zz.1", "_", "20260101.1.1_", "a.1.1" * 20_000])
def test_an_event_id_of_ones_own_making_is_refused(tenant, event_id: str) -> None:
    answer = tenant.platform.request(
        "/api/v1/logs/tail", headers={**tenant.headers, "Last-Event-ID": event_id[:30_000]}
    )
    assert answer.status == 400


def test_places_are_bounded_and_given_back_when_clients_leave(tenant) -> None:
    connections = []
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", tenant.platform.port)
        connection.request("GET", "/api/v1/logs/tail", headers=tenant.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            break
        connections.append(connection)
    assert answer.status == 429
    assert len(connections) == 32
    for connection in connections:
        connection.close()
    while tenant.platform.request("/api/v1/logs?q=x", headers=tenant.headers).status == 200:
        with_place = http.client.HTTPConnection("127.0.0.1", tenant.platform.port)
        with_place.request("GET", "/api/v1/logs/tail", headers=tenant.headers)
        status = with_place.getresponse().status
        with_place.close()
        if status == 200:
            return
        time.sleep(0.2)


def test_a_server_that_stops_ends_its_tails(make_platform) -> None:
    platform = make_platform()
    with tail(Tenant(platform, "default")) as stream:
        assert platform.stop() == 0
        assert stream.answer.read() == b""
    assert "ERROR" not in platform.log


positions = st.dictionaries(
    st.sampled_from(["20261120", "19700101", "all", "0-1"]), st.integers(0, 2**40), min_size=1
).flatmap(
    lambda tops: st.builds(
        Position,
        st.just(tops),
        st.frozensets(
            st.sampled_from(sorted(tops)).flatmap(
                lambda name: st.tuples(st.just(name), st.integers(max(0, tops[name] - OVERLAP + 1), tops[name]))
            )
        ),
    )
)


@given(positions)
def test_a_position_survives_its_spelling(position: Position) -> None:
    assert parse_position(str(position)) == position


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-z]{1,9}\.[0-9a-f]{1,20}\.[0-9a-f]{1,20}(_.*)?"))
def test_any_other_text_is_no_position(text: str) -> None:
    try:
        parsed = parse_position(text)
    except InvalidInput:
        return
    assert parse_position(str(parsed)) == parsed
