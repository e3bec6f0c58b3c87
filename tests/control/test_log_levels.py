"""Log levels of running programs: set on the platform, heard by the SDK over HTTP and gRPC."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

PROGRAM = """
import logging, sys, vedette
vedette.configure("{service}", protocol="{protocol}", endpoint="{endpoint}", log_format="json", log_buffer=False,
                  process_metrics=False, spool_dir="off")
log = logging.getLogger("app.payments")
for line in sys.stdin:
    with vedette.span("asks"): pass
    vedette.flush()
    print("debug" if log.isEnabledFor(logging.DEBUG) else "quiet", flush=True)
"""


def level(platform: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vedette.cli.main", "level", *arguments, "--url", platform.url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Program:
    """A program that sends something, and then says whether it would log debug records."""

    def __init__(self, platform: Any, service: str, protocol: str) -> None:
        port = platform.otlp_grpc if protocol == "grpc" else platform.otlp_http
        text = PROGRAM.format(service=service, protocol=protocol, endpoint=f"http://127.0.0.1:{port}")
        command = [sys.executable, "-c", textwrap.dedent(text)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VEDETTE_", "OTEL_"))}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def state(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while (line := self.process.stdout.readline().strip()) not in {"debug", "quiet"}:
            assert line, "the program ended"
        return line

    def becomes(self, state: str) -> None:
        while self.state() != state:
            time.sleep(0.05)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_running_program_hears_of_its_level_and_of_its_end(shared_platform, protocol):
    service = f"späher {protocol}"
    told, other = Program(shared_platform, service, protocol), Program(shared_platform, "other", protocol)
    try:
        assert told.state() == "quiet"
        assert level(shared_platform, "set", "app.payments", "debug", "--service", service).returncode == 0
        told.becomes("debug")
        assert other.state() == "quiet"
        listed = level(shared_platform, "list").stdout
        assert service in listed
        assert "app.payments" in listed
        assert level(shared_platform, "remove", "app.payments", "--service", service).returncode == 0
        told.becomes("quiet")
        # Every service, and a nearer word that counts more.
        assert level(shared_platform, "set", "app.payments", "error", "--service", service).returncode == 0
        assert level(shared_platform, "set", "app", "debug").returncode == 0
        other.becomes("debug")
        assert told.state() == "quiet"
    finally:
        for program in (told, other):
            program.process.kill()
            program.process.communicate()
        level(shared_platform, "remove", "app")
        level(shared_platform, "remove", "app.payments", "--service", service)


def test_levels_are_of_one_tenant(shared_platform):
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": "levels-mine"}
    body = b'{"service": "shop", "logger": "root", "level": "warning"}'
    assert shared_platform.request("/api/v1/log-levels", body, method="PUT", headers=headers).status == 200
    mine = shared_platform.request("/api/v1/log-levels", headers=headers).json()["levels"]
    assert [(one["service"], one["logger"], one["level"]) for one in mine] == [("shop", "root", "warning")]
    theirs = {"X-Scope-OrgID": "levels-theirs"}
    assert shared_platform.request("/api/v1/log-levels", headers=theirs).json() == {"levels": []}
    path = "/api/v1/log-levels?service=shop&logger=root"
    assert shared_platform.request(path, method="DELETE", headers=theirs).status == 404
    assert shared_platform.request(path, method="DELETE", headers=headers).status == 204


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "app", "loud"), "level"),
        (("set", "app=debug,other", "info"), "no logger's name"),
        (("set", "app", "info", "--service", "a\nb"), "printable"),
        (("remove", "never.set"), "No log level is set for the logger 'never.set'"),
    ],
)
def test_what_cannot_be_set_is_refused_in_words(shared_platform, arguments, said):
    refused = level(shared_platform, *arguments)
    assert refused.returncode == 1
    assert said in refused.stderr
