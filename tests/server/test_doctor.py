"""`vedette doctor` where there is no platform, or something else; beside one: faults/test_refusals.py."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def _doctor(tmp_path: Path, *arguments: str, code: int, **environment: str) -> list[dict[str, Any]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VEDETTE_", "OTEL_"))}
    run = subprocess.run(
        [sys.executable, "-m", "vedette.cli.main", "doctor", "--json", *arguments],
        env=clean | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


def _unused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_before_the_first_start_nothing_is_wrong(tmp_path):
    url = _unused()
    found = _doctor(tmp_path, "--data-dir", str(tmp_path / "none"), "--url", url, code=0)
    assert [(finding["level"], finding["text"]) for finding in found] == [
        ("ok", "The settings are understood."),
        ("note", f"There is no data directory {tmp_path / 'none'} yet."),
        ("note", f"No platform answers at {url}."),
    ]
    assert found[1]["advice"] == "`vedette serve` makes it."
    assert found[2]["advice"] == "Start it with `vedette serve`."


def test_a_setting_that_does_not_exist_is_named_with_the_nearest(tmp_path):
    (found,) = _doctor(tmp_path, code=1, VEDETTE_TRACES_BUDGT="1GiB")
    assert found["level"] == "bad"
    assert "Did you mean VEDETTE_TRACES_BUDGET?" in found["text"]


class _Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_another_server_is_told_from_none_and_notes_that_cannot_be_read_are_no_crash(tmp_path, other_server):
    quarantine = tmp_path / "data" / "wal" / "quarantine"
    quarantine.mkdir(parents=True)
    for number in range(7):
        (quarantine / f"{number}.rec").write_bytes(b"x")
        (quarantine / f"{number}.json").write_text("no JSON")
    found = _doctor(tmp_path, "--data-dir", str(tmp_path / "data"), "--url", other_server, code=1)
    bad = [finding for finding in found if finding["level"] == "bad"]
    assert [finding["text"] for finding in bad] == [
        *(f"In quarantine: {number}.rec; its note cannot be read." for number in range(5)),
        f"… and 2 more are in {quarantine}.",
        f"At {other_server} is no Vedette: The server answered 404 Not Found.",
    ]
    assert bad[-1]["advice"] == "Name its address with --url, or free the port."
