"""Deltas name what selected spans have that the others have not; the heat map counts every span in its cell."""

from __future__ import annotations

import pytest
from page_tenant import Span, ago


@pytest.fixture
def shop(tenant):
    """Forty charges: those of one provider on one host are slow, and ids differ everywhere."""
    spans = []
    for number in range(40):
        slow = number < 8
        spans.append(
            Span(
                "charge",
                ago(600) + number,
                ms=900 if slow else 20 + number % 3,
                kind="client",
                status="error" if number == 0 else "unset",
                attributes={
                    "payment.provider": "cardhouse" if slow or number == 39 else "paypost",
                    "order.id": f"o-{number}",
                    "cart.size": number % 4,
                    "kind": "attribute named like a field",
                    **({"retry": True} if slow else {}),
                },
                resource={"host.name": "blue" if slow else "green", "service.version": "1.0"},
            )
        )
    tenant.send(*spans)
    return tenant


def deltas(tenant, **params):
    answer = tenant.get("/traces/deltas", **params)
    return answer, {found["key"]: found for found in answer["attributes"]}


def test_the_slowest_are_told_from_the_rest_by_what_they_alone_have(shop):
    answer, keys = deltas(shop, selected="duration:>=500ms")
    assert (answer["selected"], answer["selected_count"], answer["rest_count"]) == ("duration:>=500ms", 8, 32)
    assert answer["sampled"] is False
    # What holds of all slow spans and of no other comes first, then what is nearly so.
    assert [found["key"] for found in answer["attributes"]][:3] == ["resource.host.name", "retry", "payment.provider"]
    assert keys["resource.host.name"]["values"] == [
        {"value": "blue", "selected_count": 8, "rest_count": 0, "selected_share": 1, "rest_share": 0},
        {"value": "green", "selected_count": 0, "rest_count": 32, "selected_share": 0, "rest_share": 1},
    ]
    assert keys["payment.provider"]["score"] == pytest.approx(1 - 1 / 32, abs=1e-4)
    # A span without the key is counted too.
    assert keys["retry"]["values"] == [
        {"value": "true", "selected_count": 8, "rest_count": 0, "selected_share": 1, "rest_share": 0},
        {"value": None, "selected_count": 0, "rest_count": 32, "selected_share": 0, "rest_share": 1},
    ]
    # Ids are rare on both sides; what all spans share says nothing.
    assert keys["order.id"]["score"] == pytest.approx(1 / 8)
    assert "resource.service.version" not in keys
    assert "attribute.kind" not in keys
    assert "name" not in keys


def test_without_a_selection_it_is_the_slowest_twentieth(shop):
    answer, _ = deltas(shop)
    assert answer["selected"] == "duration:>=900000000ns"
    assert answer["selected_count"] == 8


def test_the_filter_narrows_both_sides(shop):
    answer, keys = deltas(shop, attr="payment.provider:cardhouse", selected="duration:>=500ms")
    assert (answer["selected_count"], answer["rest_count"]) == (8, 1)
    assert "payment.provider" not in keys


def test_the_key_that_was_asked_for_is_no_finding(shop):
    _, keys = deltas(shop, selected="payment.provider:cardhouse")
    assert "payment.provider" not in keys
    assert "retry" in keys
    _, keys = deltas(shop, selected="error:true")
    assert "status" not in keys


def test_a_selection_by_time(tenant):
    early, late = ago(600), ago(60)
    tenant.send(*(Span("a", early + n, attributes={"release": "1"}) for n in range(3)))
    tenant.send(*(Span("a", late + n, attributes={"release": "2"}) for n in range(5)))
    answer, keys = deltas(tenant, selected_from=late)
    assert (answer["selected_count"], answer["rest_count"]) == (5, 3)
    assert keys["release"]["score"] == 1
    answer, _ = deltas(tenant, selected_to=late, selected="name:a")
    assert (answer["selected_count"], answer["rest_count"]) == (3, 5)


def test_numbers_of_keys_and_values_are_bounded(shop):
    answer = shop.get("/traces/deltas", selected="duration:>=500ms", limit=2, values=1)
    assert [len(found["values"]) for found in answer["attributes"]] == [1, 1]


def test_nothing_to_compare_is_an_answer(tenant, shop):
    answer = shop.get("/traces/deltas", selected="name:nobody")
    assert (answer["selected_count"], answer["rest_count"], answer["attributes"]) == (0, 40, [])
    answer = tenant.get("/traces/deltas", q="name:nobody")
    assert (answer["selected_count"], answer["rest_count"], answer["attributes"]) == (0, 0, [])


def test_a_selection_that_cannot_be_read_is_refused_at_its_character(tenant):
    refused = tenant.ask("/traces/deltas", selected="service:a duration:>=x")
    assert refused.status == 400
    assert refused.json()["position"] == len("service:a duration:>=")
    assert "selected" in refused.json()["detail"]
    assert tenant.ask("/traces/deltas", selected="name:~[").status == 400


def test_every_span_is_in_the_cell_of_its_time_and_duration(tenant):
    start = ago(1800)
    tenant.send(
        Span("a", start, ms=1.1),
        Span("a", start + 1, ms=1.4, status="error"),
        Span("a", start, ms=100),
        Span("a", start + 600 * 10**9, ms=100),
        Span("b", start, ms=5),
    )
    found = tenant.get("/traces/heatmap", operation="a", from_=start, to=start + 1200 * 10**9, columns=20)
    assert found["step_seconds"] == 60
    assert found["total_count"] == 4
    cells = {}
    for column, row, count, errors in found["cells"]:
        bounds = found["rows"][row]
        cells[column, count, errors] = (bounds["lower_ms"], bounds["upper_ms"])
    first = next(column for column, count, _ in cells if count == 2)
    assert set(cells) == {(first, 2, 1), (first, 1, 0), (first + 10, 1, 0)}
    lower, upper = cells[first, 2, 1]
    assert lower <= 1.1
    assert upper > 1.4
    assert upper / lower == pytest.approx(2**0.5, rel=1e-3)
    lower, upper = cells[first, 1, 0]
    assert lower <= 100 < upper
    assert len(found["rows"]) == 14


def test_a_heat_map_of_nothing_is_empty(tenant):
    found = tenant.get("/traces/heatmap", from_="1h")
    assert (found["rows"], found["cells"], found["total_count"]) == ([], [], 0)
