"""Processes of the demo end with it, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from vedette.cli.client import Client
from vedette.demo.backend import Addresses, Backend
from vedette.demo.processes import Child, stop_all
from vedette.demo.stage import Stage
from vedette.errors import StartError

PARENT = """
import sys, time
from pathlib import Path
from vedette.demo.processes import Child
child = Child("sleeper", "sleeper", [], Path(sys.argv[1]) / "sleeper.log", {"PYTHONPATH": sys.argv[1]})
print(child.pid, flush=True)
time.sleep(600)
"""
SLEEPER = """
import signal, sys, time
print("started", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
time.sleep(600)
"""


def wait_until(condition: object) -> None:
    assert callable(condition)
    while not condition():
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux'")
def test_a_child_ends_when_the_demo_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    log = tmp_path / "sleeper.log"
    wait_until(lambda: "started" in log.read_text(encoding="utf-8"))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: gone(pid))


def test_a_child_that_ignores_the_request_is_killed_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    child = Child("stubborn", "stubborn", [], tmp_path / "stubborn.log", {"PYTHONPATH": str(tmp_path)})
    wait_until(lambda: "started" in child.last_words())
    stop_all([child], 0.5)
    assert child.exit_code == -signal.SIGKILL
    assert gone(child.pid)


def test_a_new_version_answers_beside_the_old_one_and_after_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nobody = "http://127.0.0.1:9"
    children = [
        Child("catalog", "vedette.demo.shop", [stage.as_json()], tmp_path / f"{stage.version}.log", {})
        for stage in (
            Stage(
                service="catalog", version=version, flaw=None, instance=f"catalog-{version}", port=port, peers={},
                otlp_http=nobody, otlp_grpc=nobody, seed=1, day_seconds=60.0, opened=time.time(), rate=1.0,
            )
            for version in ("1.0.0", "1.1.0")
        )
    ]  # fmt: skip
    try:
        seen: set[str] = set()
        wait_until(lambda: seen.add(version_at(port)) or {"1.0.0", "1.1.0"} <= seen)
        stop_all(children[:1], 20)
        assert {version_at(port) for _ in range(10)} == {"1.1.0"}
    finally:
        stop_all(children, 20)
    assert [child.exit_code for child in children] == [0, 0]


def version_at(port: int) -> str:
    """The version that answers, if one does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            return str(json.load(answer)["version"])
    except OSError:
        return ""


def test_a_port_in_use_is_one_sentence_that_names_the_option(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = Addresses(listen="127.0.0.1:0", otlp_http=address, otlp_grpc="127.0.0.1:0")
        backend = Backend(addresses, Client(addresses.url), tmp_path / "data")
        with pytest.raises(StartError) as caught:
            backend.start()
    sentence = str(caught.value)
    assert address in sentence
    assert "--otlp-http" in sentence
    assert "--no-serve" in sentence
    assert "\n" not in sentence


def test_a_platform_that_is_not_there_is_one_sentence() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        addresses = Addresses(listen=f"127.0.0.1:{probe.getsockname()[1]}")
    backend = Backend(addresses, Client(addresses.url), None)
    with pytest.raises(StartError, match="No platform answers at"):
        backend.wait_until_ready(lambda: False)
