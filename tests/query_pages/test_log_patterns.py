"""Lines that say the same are one pattern, counted over time, and new when they did not come before."""

from __future__ import annotations

import pytest
from page_tenant import NS, Line, ago

from vedette.server.query.patterns.merging import merged


def patterns(tenant, **params):
    answer = tenant.get("/logs/patterns", **({"from_": "1h"} | params))
    return {found["pattern"]: found for found in answer["patterns"]}


@pytest.mark.parametrize(
    ("first", "second", "pattern"),
    [
        (
            "search found 10 products in 3.0 ms",
            "search found 7 products in 12.4 ms",
            "search found <number> products in <number> ms",
        ),
        ("order o-6a09257a7c is on its way", "order o-ecb8769ce0 is on its way", "order <id> is on its way"),
        (
            "job 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 ended",
            "job 00f067aa-0ba9-02b7-a3ce-929d0e0e4736 ended",
            "job <id> ended",
        ),
        ("eve.o@example.com logged in", "bob1@example.org logged in", "<email> logged in"),
        ("no products match 'bread knife'", "no products match 'chef's knife'", "no products match <text>"),
        ('cannot open "a b.txt"', 'cannot open "c \\" d"', "cannot open <text>"),
        ("GET https://a.example/x?y=1 failed", "GET http://b.example/z failed", "GET <url> failed"),
        ("connect to 10.0.0.1:5432 refused", "connect to 192.168.1.77:80 refused", "connect to <ip> refused"),
        ("at 2026-07-01T12:00:00.123Z done", "at 2026-07-02 13:01:02 done", "at <time> done"),
        ("it can't be and won't be 5", "it can't be and won't be 6", "it can't be and won't be <number>"),
        ("Größe 5 für Chloé", "Größe 6 für Chloé", "Größe <number> für Chloé"),
        (
            '{"order":"a","total":1,"message":"paid 5 EUR"}',
            '{"total":2,"message":"paid 7 EUR","order":"b"}',
            "{message, order, total} paid <number> EUR",
        ),
    ],
)
def test_what_varies_is_masked(tenant, first, second, pattern):
    tenant.send(Line(first, ago(60)), Line(second, ago(50)))
    found = patterns(tenant)
    assert list(found) == [pattern]
    assert found[pattern]["count"] == 2
    assert found[pattern]["sample"] == second


def test_counts_severities_services_times_and_the_query_that_finds_the_lines(tenant):
    start = ago(1800)
    paid = [Line(f"order o-{n} paid {n}.50 EUR", start + n * 60 * NS, service="orders") for n in range(1, 11)]
    tenant.send(
        *paid,
        Line("order o-99 paid 3.10 EUR", start + 600 * NS, severity="warn", service="desk"),
        Line("card declined", start, severity="error"),
    )
    answer = tenant.get("/logs/patterns", from_=start, to=start + 1800 * NS, buckets=30)
    assert answer["total"] == 12
    assert answer["sampled"] is False
    assert answer["bucket_seconds"] == 60
    first, second = answer["patterns"]
    assert first["pattern"] == "order <id> paid <number> EUR"
    assert first["count"] == 11
    assert first["share"] == pytest.approx(11 / 12, abs=1e-5)
    assert first["severities"] == {"info": 10, "warn": 1}
    assert first["services"] == ["desk", "orders"]
    assert first["first_seen"] < first["last_seen"]
    assert len(first["trend"]) == 30
    assert first["trend"][:12] == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0]
    assert second["pattern"] == "card declined"
    found = tenant.get("/logs", q=first["query"], from_=start, to=start + 1800 * NS)
    assert len(found["logs"]) == 11


def test_the_query_narrows_the_patterns(tenant):
    tenant.send(Line("paid 1", ago(60)), Line("paid 2", ago(60), severity="error"), Line("lost 3", ago(60)))
    assert {name: found["count"] for name, found in patterns(tenant, q="severity:error").items()} == {
        "paid <number>": 1
    }


def test_a_pattern_is_new_when_the_time_before_has_none_of_it(tenant):
    tenant.send(
        Line("old 1", ago(5000)),
        Line("old 2", ago(60)),
        Line("new 3", ago(60)),
        Line("gone 4", ago(5000)),
        Line("too long ago 5", ago(9000)),
        Line("too long ago 6", ago(60)),
    )
    found = patterns(tenant, from_="30m")
    assert {name: (one["is_new"], one["before_count"]) for name, one in found.items()} == {
        "old <number>": (False, 1),
        "new <number>": (True, 0),
        "too long ago <number>": (True, 0),
    }


def test_names_of_people_do_not_make_patterns_of_their_own(tenant):
    names = ["Chloé Jansen", "Tomás Kowalski", "Bjørn García", "Dmitri Okafor", "Ana Silva"]
    tenant.send(
        *(Line(f"order o-{n} placed by {name} today", ago(60) + n) for n, name in enumerate(names)),
        *(Line(f"login of {n} {how} at once", ago(60) + n) for n, how in enumerate(("failed", "succeeded"))),
    )
    found = patterns(tenant)
    assert found["order <id> placed by <word> <word> today"]["count"] == 5
    # Few different words are kinds, not names.
    assert {"login of <number> failed at once", "login of <number> succeeded at once"} < set(found)


def test_patterns_with_different_keys_stay_apart():
    alike = [(key, f"user {name} logged in") for key in "ab" for name in ("w", "x", "y", "z")]
    assert merged(alike) == [("user <word> logged in", [0, 1, 2, 3]), ("user <word> logged in", [4, 5, 6, 7])]


def test_nothing_and_what_cannot_be_read(tenant):
    answer = tenant.get("/logs/patterns")
    assert (answer["total"], answer["patterns"]) == (0, [])
    refused = tenant.ask("/logs/patterns", q="a AND (b")
    assert refused.status == 400
    assert "position" in refused.json()
