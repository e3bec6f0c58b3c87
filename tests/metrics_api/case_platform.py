"""Prometheus' own cases over the wire: data by remote write 2.0, questions by HTTP."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / name) for name in ("promql", "remote_write", "faults")]

from engine_door import until  # noqa: E402
from promql_cases import almost_equal, read_cases, source_of, to_histogram, to_number  # noqa: E402
from write_requests import PATH, TWO, Symbols, histogram, number, packed, sample, series_two  # noqa: E402

from vedette.server.query.promql.histogram import Histogram  # noqa: E402
from vedette.server.query.promql.json_writer import histogram_json  # noqa: E402

if TYPE_CHECKING:
    from real_platform import Platform

    from vedette.server.query.promql.labels import Labels

FLAGS = {"flag:delayed_name_removal", "exp:type_and_unit", "flag:st"}


def dataset_request(dataset: str) -> tuple[bytes, int]:
    """A dataset as one request, and how many samples are in it."""
    symbols, body, count = Symbols(), b"", 0
    for labels, samples in source_of(dataset)._series.items():
        parts = []
        for at, (value, start) in samples.items():
            count += 1
            if isinstance(value, Histogram):
                found = {
                    "schema": value.schema,
                    "count": value.count,
                    "sum": value.sum,
                    "zero_count": value.zero_count,
                    "zero_threshold": value.zero_threshold,
                    "positive": value.positive,
                    "negative": value.negative,
                    "custom_values": value.custom_values,
                    "hint": int(value.counter_reset),
                }
                parts.append((3, histogram(found, at) + (number(17, start) if start else b"")))
            else:
                parts.append((2, sample(value, at, start)))
        body += series_two(symbols.refs(labels), *parts)
    return symbols.encoded() + body, count


def load(platform: Platform, datasets: set[str]) -> None:
    """Send the datasets, each as a tenant of its own, and wait until all are in the tables."""
    counts = {}
    for dataset in sorted(datasets):
        body, count = dataset_request(dataset)
        if count:
            answer = platform.request(PATH, packed(body), headers=TWO | {"X-Scope-OrgID": dataset})
            assert answer.status == 204, answer.body
            counts[dataset] = count
    # One statement for all tenants, past the API: a question for each of hundreds would cost more than they do.
    tables = "SELECT tenant FROM samples UNION ALL SELECT tenant FROM histograms"
    statement = f"SELECT groupArray((tenant, n)) FROM (SELECT tenant, count() AS n FROM ({tables}) GROUP BY tenant ORDER BY ALL)"
    until(platform, statement, [[dataset, count] for dataset, count in sorted(counts.items())])


def ask(platform: Platform, case: dict[str, Any], start: int, end: int, step: int) -> dict[str, Any]:
    """The document that Prometheus' API answers with."""
    if step:
        path, times = "query_range", {"start": start / 1000, "end": end / 1000, "step": step / 1000}
    else:
        path, times = "query", {"time": start / 1000}
    form = urlencode({"query": case["query"], **times}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Scope-OrgID": case["data"]}
    answer = platform.request(f"/prometheus/api/v1/{path}", form, headers=headers)
    return answer.json()


def points(data: dict[str, Any], steps: list[int]) -> dict[Labels, list[Any]]:
    """Series of a vector or matrix, a point or None for each step; histograms as their documents."""
    found: dict[Labels, list[Any]] = {}
    for one in data["result"]:
        timed: dict[int, Any] = {}
        floats = one.get("values") or ([one["value"]] if "value" in one else [])
        histograms = one.get("histograms") or ([one["histogram"]] if "histogram" in one else [])
        for at, value in floats:
            timed[round(at * 1000)] = float(value)
        for at, value in histograms:
            timed[round(at * 1000)] = value
        found[tuple(sorted(one["metric"].items()))] = [timed.get(at) for at in steps]
    return found


def same(expected: Any, found: Any) -> bool:
    if expected is None or found is None:
        return expected is None and found is None
    if isinstance(expected, dict):
        wanted = json.loads(histogram_json(to_histogram(expected).compact()))
        return isinstance(found, dict) and _close(wanted, found)
    return not isinstance(found, dict) and almost_equal(to_number(expected), found)


def _close(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_close(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_close, left, right))
    return almost_equal(float(left), float(right))


def cases() -> list[dict[str, Any]]:
    names = sorted(path.name for path in (HERE.parent / "promql" / "cases").glob("*.jsonl"))
    return [case for name in names if name != "datasets.jsonl" for case in read_cases(name)]
