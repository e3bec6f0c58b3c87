"""``vedette rules backfill``: the past as the rules would have recorded it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import ONE, PATH, histogram, packed, sample, series_one  # noqa: E402

from vedette.cli.main import app  # noqa: E402

MINUTE_MS = 60_000
BEGIN_MS = (int(time.time()) // 3600 - 48) * 3600 * 1000
"""Two days ago: what is written is not what is asked for as the newest."""


@pytest.fixture(scope="module")
def filled(shared_platform):
    """Two series a minute for 20 minutes; the second ends after 10."""
    body = b""
    for instance, minutes in (("a", 20), ("b", 10)):
        points = [(2, sample(i, BEGIN_MS + i * MINUTE_MS)) for i in range(minutes)]
        body += series_one([("__name__", "backfilled"), ("instance", instance)], *points)
    assert shared_platform.request(PATH, packed(body), headers=ONE).status == 204
    shared_platform.eventually(
        "SELECT count() FROM samples WHERE series IN (SELECT id FROM series WHERE name = 'backfilled')", 30
    )
    return shared_platform


def _backfill(platform: Any, folder: Path, rules: list[dict[str, Any]], *more: str, **group: Any) -> Any:
    path = folder / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules, **group}]}))
    command = ["rules", "backfill", str(path), "--url", platform.url, "--start", str(BEGIN_MS / 1000)]
    return CliRunner().invoke(app, [*command, "--end", str(BEGIN_MS / 1000 + 19 * 60), *more])


def _values(platform: Any, query: str, minutes: int = 25) -> list[tuple[float, str]]:
    form = {"query": query, "start": BEGIN_MS / 1000, "end": BEGIN_MS / 1000 + minutes * 60, "step": 60}
    answer = platform.request(f"/prometheus/api/v1/query_range?{urlencode(form)}").json()
    found = answer["data"]["result"]
    return [((at - BEGIN_MS / 1000) / 60, value) for one in found for at, value in one["values"]]


def test_rules_are_recorded_as_if_they_had_been_there(filled, tmp_path):
    rules = [
        {"record": "late:sum", "expr": "sum(backfilled)", "labels": {"team": "x"}},
        {"alert": "No", "expr": "backfilled"},
        {"record": "late:b", "expr": f'backfilled{{instance="b"}} and on () vector(time()) <= {BEGIN_MS / 1000 + 300}'},
        {"record": "late:twice", "expr": "late:sum * 2"},
    ]
    found = _backfill(filled, tmp_path, rules)
    assert found.exit_code == 0, found.output
    # The second series is looked back to for five minutes after its last sample.
    assert "g: late:sum: 20 samples" in found.output
    assert "g: late:b: 6 samples" in found.output
    filled.eventually("SELECT count() > 0 FROM series WHERE name = 'late:twice'", 1)
    while len(filled_twice := _values(filled, "late:twice")) < 20:
        time.sleep(0.1)
    expected = [i + (i if i < 10 else 9 if i < 14 else 0) for i in range(20)]
    assert [float(value) for _, value in filled_twice][:20] == [2 * value for value in expected]
    # The end of a series is known at the next step, not five minutes later.
    assert [at for at, _ in _values(filled, "late:b")] == [0, 1, 2, 3, 4, 5]
    again = _backfill(filled, tmp_path, rules[:1])
    assert "g: late:sum: 20 samples" in again.output


def test_native_histograms_are_recorded_as_they_are(filled, tmp_path):
    exponential = {"schema": 2, "sum": 3.5, "zero_threshold": 0.01, "zero_count": 1.0, "negative": {1: 2.0}}
    custom = {"schema": -53, "sum": 4.5, "custom_values": [0.5, 1.0, 7.0]}
    body = b""
    for name, base, minutes in (("exponential", exponential, 5), ("custom", custom, 3)):
        points = []
        for i in range(minutes):
            positive = {0: 1.0 + i, 2: 5.0}
            count = sum(positive.values()) + base.get("zero_count", 0) + sum(base.get("negative", {}).values())
            found = base | {"positive": positive, "count": count}
            points.append((4, histogram(found, BEGIN_MS + i * MINUTE_MS)))
        body += series_one([("__name__", "native_backfilled"), ("kind", name)], *points)
    assert filled.request(PATH, packed(body), headers=ONE).status == 204
    while len(_values(filled, "histogram_count(native_backfilled)", 4)) < 10:
        time.sleep(0.1)
    rules = [
        {"record": "late:native", "expr": "native_backfilled", "labels": {"team": "x"}},
        {"record": "late:rate", "expr": "sum by (kind) (rate(late:native[3m]))"},
    ]
    found = _backfill(filled, tmp_path, rules)
    assert found.exit_code == 0, found.output
    assert "g: late:native: 16 samples" in found.output  # looked back to for five minutes
    columns = "schema, zero_threshold, zero_count, count, sum, positive_indexes, positive_counts, negative_indexes"
    rows = (
        "SELECT time, {} FROM histograms WHERE series IN (SELECT id FROM series WHERE name = '{}') ORDER BY sum, time"
    )
    more = f"{columns}, negative_counts, custom_bounds"
    given = filled.sql(rows.format(more, "native_backfilled"))
    filled.eventually("SELECT count() > 0 FROM series WHERE name = 'late:rate'", 1)
    stored = filled.sql(rows.format(more, "late:native"))
    assert [row for row in stored if row in given] == given
    query = "histogram_count(sum by (kind) (rate(late:native[3m])))"
    while len(recorded := _values(filled, "histogram_count(late:rate)", 4)) < 6:
        time.sleep(0.1)
    expected = _values(filled, query, 4)
    assert [at for at, _ in recorded] == [at for at, _ in expected]
    assert [float(value) for _, value in recorded] == pytest.approx([float(value) for _, value in expected])


def test_what_cannot_be_recorded_is_said(filled, tmp_path):
    found = _backfill(filled, tmp_path, [{"record": "r", "expr": "backfilled"}], limit=1)
    assert found.exit_code == 1
    assert "exceeded limit of 1 with 2 series" in found.output
    found = _backfill(filled, tmp_path, [{"record": "r", "expr": "backfilled", "labels": {"instance": ""}}])
    assert found.exit_code == 1
    assert "same labels" in found.output
    found = _backfill(filled, tmp_path, [{"record": "r", "expr": "backfilled"}], "--end", "0")
    assert "--end lies before --start" in found.output
    for option, value in {"--end": "noon", "--eval-interval": "often"}.items():
        found = _backfill(filled, tmp_path, [{"record": "r", "expr": "backfilled"}], option, value)
        assert (found.exit_code, f"{option} {value!r} is not a" in found.output) == (1, True)
    # What does not fail is recorded, whatever stands before it.
    rules = [
        {"record": "r", "expr": "backfilled + on () group_left () backfilled"},
        {"record": "s", "expr": "vector(1)"},
    ]
    found = _backfill(filled, tmp_path, rules)
    assert found.exit_code == 1
    assert "many-to-many matching not allowed" in found.output or "duplicate series" in found.output
    assert ": s: " in found.output
    assert "1 of the rules failed; the others are recorded." in found.output
    found = _backfill(filled, tmp_path, [{"record": "r", "expr": "backfilled +"}])
    assert "expr cannot be parsed" in found.output
