"""Backup and restore of a running platform, by the commands that an operator types."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from real_platform import wait_for

sys.path.insert(0, str(Path(__file__).parent.parent / "remote_write"))
from write_requests import ONE, PATH, packed, sample, series_one


def _vedette(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vedette.cli.main", *arguments], capture_output=True, text=True, check=False
    )


def _lines(body: str, count: int = 1) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(count):
        record = scope.log_records.add(time_unix_nano=time.time_ns() + number, severity_number=9)
        record.body.string_value = body
    return request.SerializeToString()


def _send(platform, body: str, count: int = 1, tenant: str = "default") -> None:
    assert platform.otlp("logs", _lines(body, count), X_Scope_OrgID=tenant).status == 200


def _count(platform, body: str, tenant: str = "default") -> int:
    return int(platform.sql(f"SELECT count() AS n FROM logs WHERE body = '{body}'", tenant)[0]["n"])


@pytest.fixture(scope="module")
def platform(new_platform, tmp_path_factory):
    made = new_platform(tmp_path_factory.mktemp("backups") / "data").start()
    yield made
    made.stop()


def test_a_backup_made_under_load_brings_everything_back(platform):
    _send(platform, "before", 100)
    key = _vedette("key", "create", "kept", "--data-dir", str(platform.data_dir))
    assert key.returncode == 0, key.stderr
    stop, sent = threading.Event(), []

    def load() -> None:
        while not stop.is_set():
            _send(platform, "meanwhile")
            sent.append(1)

    loader = threading.Thread(target=load)
    loader.start()
    made = _vedette("backup", "first", "--url", platform.url)
    stop.set()
    loader.join()
    assert made.returncode == 0, made.stderr
    assert "first" in made.stdout
    # What was acknowledged before the backup began is in it; what came while it ran is not lost by making it.
    platform.eventually("SELECT count() FROM logs WHERE body = 'meanwhile'", len(sent))

    _send(platform, "after", 10)
    platform.eventually("SELECT count() FROM logs WHERE body = 'after'", 10)
    # The rows come first, what views make of them a moment later.
    platform.eventually("SELECT sum(rows) FROM usage_hour WHERE signal = 'logs'", 110 + len(sent))

    restored = _vedette("restore", "first", "--yes", "--url", platform.url)
    assert restored.returncode == 0, restored.stderr
    assert _count(platform, "before") == 100
    assert _count(platform, "after") == 0
    kept = _count(platform, "meanwhile")
    assert 0 <= kept <= len(sent)
    # Rollups go back with the rows.
    assert int(platform.sql("SELECT sum(rows) AS n FROM usage_hour WHERE signal = 'logs'")[0]["n"]) == 100 + kept
    # And it takes in again.
    _send(platform, "again", 3)
    platform.eventually("SELECT count() FROM logs WHERE body = 'again'", 3)
    listed = _vedette("backup", "--list", "--url", platform.url)
    assert "replaced-by-first" in listed.stdout.replace("\n", "")
    keys = _vedette("key", "list", "--data-dir", str(platform.data_dir))
    assert "kept" in keys.stdout


def test_a_damaged_backup_replaces_nothing(platform):
    _send(platform, "kept", 5, "damaged")
    platform.eventually("SELECT count() FROM logs", 5, "damaged")
    assert _vedette("backup", "broken", "--url", platform.url).returncode == 0
    for path in (platform.data_dir / "backups" / "broken" / "engine").rglob("*.bin"):
        path.write_bytes(b"")
    failed = _vedette("restore", "broken", "--yes", "--url", platform.url)
    assert failed.returncode != 0
    assert "The restore failed" in failed.stderr
    assert _count(platform, "kept", "damaged") == 5
    _send(platform, "new", 1, "damaged")
    platform.eventually("SELECT count() FROM logs", 6, "damaged")


def _in_the_engine(platform, statement: str) -> None:
    socket = str(platform.data_dir / "engine.sock")
    command = ["curl", "-sS", "--fail-with-body", "--unix-socket", socket, "http://engine/", "--data-binary", statement]
    subprocess.run(command, capture_output=True, check=True)


def _in_the_control_of(platform, name: str, *statements: str) -> None:
    with closing(sqlite3.connect(platform.data_dir / "backups" / name / "control.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_backup_of_a_newer_version_replaces_nothing(platform):
    _send(platform, "kept", 5, "newer")
    platform.eventually("SELECT count() FROM logs", 5, "newer")
    _in_the_engine(
        platform,
        f"INSERT INTO vedette.schema_migrations (number, name, checksum) VALUES (9999, 'to_come', '{'0' * 64}')",
    )
    assert _vedette("backup", "newer", "--url", platform.url).returncode == 0
    gone = "ALTER TABLE vedette.schema_migrations DELETE WHERE number = 9999 SETTINGS mutations_sync = 2"
    _in_the_engine(platform, gone)
    _send(platform, "since", 1, "newer")
    platform.eventually("SELECT count() FROM logs", 6, "newer")
    failed = _vedette("restore", "newer", "--yes", "--url", platform.url)
    assert failed.returncode != 0
    assert "made by a newer Vedette" in failed.stderr.replace("\n", " ")
    assert "its tables have schema 9999" in failed.stderr.replace("\n", " ")
    backups = platform.data_dir / "backups"
    assert not list(backups.glob("replaced-by-newer-*"))

    manifest = backups / "newer" / "manifest.json"  # as an earlier version wrote it: the tables themselves say it
    said = json.loads(manifest.read_text())
    del said["schema"]
    manifest.write_text(json.dumps(said))
    failed = _vedette("restore", "newer", "--yes", "--url", platform.url)
    assert failed.returncode != 0
    assert "from a newer version of Vedette: it has migration 9999_to_come" in failed.stderr.replace("\n", " ")
    assert _count(platform, "since", "newer") == 1

    assert _vedette("backup", "newer-keys", "--url", platform.url).returncode == 0
    _in_the_control_of(platform, "newer-keys", "UPDATE schema_version SET version_num = '9999'")
    _send(platform, "later", 1, "newer")
    platform.eventually("SELECT count() FROM logs", 7, "newer")
    failed = _vedette("restore", "newer-keys", "--yes", "--url", platform.url)
    assert failed.returncode != 0
    assert "has schema 9999, made by a newer Vedette" in failed.stderr.replace("\n", " ")
    assert _count(platform, "later", "newer") == 1


def test_a_control_database_of_an_older_version_is_brought_up_to_date(platform):
    assert _vedette("backup", "older", "--url", platform.url).returncode == 0
    # As the first version had it.
    later = ("saved_views", "registered_services", "log_levels", "alert_states")
    _in_the_control_of(
        platform,
        "older",
        *(f"DROP TABLE {name}" for name in later),
        "UPDATE schema_version SET version_num = '0001'",
    )
    restored = _vedette("restore", "older", "--yes", "--url", platform.url)
    assert restored.returncode == 0, restored.stderr
    view = json.dumps({"page": "logs", "name": "Mine", "state": {}}).encode()
    saved = platform.request(
        "/api/v1/views", view, method="POST", headers={"Content-Type": "application/json", "X-Scope-OrgID": "older"}
    )
    assert saved.status == 201, saved.body


def test_wrong_names_are_told(platform):
    missing = _vedette("restore", "nowhere", "--yes", "--url", platform.url)
    assert missing.returncode != 0
    assert "nowhere" in missing.stderr
    twice = platform.request(
        "/api/v1/backups", b'{"name": "../../etc"}', method="POST", headers={"Content-Type": "application/json"}
    )
    assert twice.status in {400, 422}
    assert b"name" in twice.body


def _sample(platform, name: str, value: float) -> None:
    body = series_one([("__name__", name), ("job", "kept")], (2, sample(value, time.time_ns() // 1_000_000)))
    assert platform.request(PATH, packed(body), headers=ONE).status == 204
    platform.loaded()


def _asked(platform, name: str) -> list[tuple[str, str]]:
    """The job and value of every series of a name."""
    path = f"/prometheus/api/v1/query?query={quote(name)}&time={time.time() + 5}"
    found = platform.request(path).json()["data"]["result"]
    return [(one["metric"].get("job", ""), one["value"][1]) for one in found]


def test_metrics_after_a_restore_are_those_of_the_backup_and_go_on(platform):
    _sample(platform, "restored_before", 1)
    assert _asked(platform, "restored_before") == [("kept", "1")]
    made = _vedette("backup", "metrics", "--url", platform.url)
    assert made.returncode == 0, made.stderr
    _sample(platform, "restored_since", 2)
    # A new series is seen within seconds. Now its samples go by id, and are kept in memory.
    wait_for(lambda: _asked(platform, "restored_since"), [("kept", "2")], "the series since the backup")

    restored = _vedette("restore", "metrics", "--yes", "--url", platform.url)
    assert restored.returncode == 0, restored.stderr
    assert _asked(platform, "restored_since") == []
    assert _asked(platform, "restored_before") == [("kept", "1")]
    _sample(platform, "restored_since", 3)
    wait_for(lambda: _asked(platform, "restored_since"), [("kept", "3")], "the series that came again")


def test_a_crash_leaves_nothing_of_others_removed_and_nothing_waiting_forever(platform):
    backups = platform.data_dir / "backups"
    _send(platform, "crashed", 4, "crash")
    platform.eventually("SELECT count() FROM logs", 4, "crash")
    assert _vedette("backup", "whole", "--url", platform.url).returncode == 0
    platform.stop()
    # What a worker leaves that is killed in the middle of a backup, beside folders that are somebody else's.
    (backups / "half" / "engine").mkdir(parents=True)
    (backups / "half" / "manifest.tmp").touch()
    (backups / "photographs").mkdir()
    (backups / "photographs" / "cat.jpg").write_bytes(b"cat")
    (backups / "garbled").mkdir()
    (backups / "garbled" / "manifest.json").write_text("{")
    status = platform.data_dir / "run" / "backup-status.json"
    status.write_text(json.dumps({"action": "backup", "name": "half", "state": "running", "error": ""}))
    platform.start()

    wait_for(
        lambda: platform.request("/api/v1/backups/status").json()["state"], "failed", "the end of what was cut off"
    )
    assert not (backups / "half").exists()
    assert (backups / "photographs" / "cat.jpg").read_bytes() == b"cat"
    assert "whole" in {one["name"] for one in platform.request("/api/v1/backups").json()}
    assert _vedette("backup", "half", "--url", platform.url).returncode == 0


def test_a_restore_that_was_cut_off_is_done_again(platform):
    _send(platform, "old", 2, "cut")
    platform.eventually("SELECT count() FROM logs", 2, "cut")
    assert _vedette("backup", "cut", "--url", platform.url).returncode == 0
    platform.stop()
    status = platform.data_dir / "run" / "backup-status.json"
    status.write_text(json.dumps({"action": "restore", "name": "cut", "state": "running", "error": ""}))
    platform.start()
    wait_for(lambda: platform.request("/api/v1/backups/status").json()["state"], "done", "the restore")
    assert _count(platform, "old", "cut") == 2
    names = {one["name"] for one in platform.request("/api/v1/backups").json()}
    assert any(name.startswith("replaced-by-cut-") for name in names)
