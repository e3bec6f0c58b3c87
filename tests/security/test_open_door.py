"""A platform without keys, and the web pages of others in a browser on the same machine."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from typing import Any

import pytest


def ask(platform: Any, method: str = "GET", path: str = "/api/v1/services", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", platform.port)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"SELECT 1 AS one" if method == "POST" else None
    connection.request(method, path, body, headers=named)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text.startswith(b"{") else text


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7070", "localhost", "LOCALHOST:1", "a.localhost", "[::1]:7070", "10.1.2.3"]
)
def test_this_machine_is_answered(shared_platform, host):
    assert ask(shared_platform, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/services", "/metrics", "/v1/traces"])
def test_a_name_that_points_here_is_not(shared_platform, host, path):
    status, problem = ask(shared_platform, path=path, Host=host)
    assert status == 403
    assert host.partition(":")[0] in problem["detail"]
    assert "host_names" in problem["detail"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_others_write_nothing(shared_platform, origin):
    status, problem = ask(shared_platform, "POST", "/api/v1/sql", Origin=origin)
    assert status == 403
    assert origin in problem["detail"]


def test_our_own_pages_write(shared_platform):
    own = f"http://127.0.0.1:{shared_platform.port}"
    assert ask(shared_platform, "POST", "/api/v1/sql?format=JSONEachRow", Origin=own) == (200, {"one": 1})


def test_names_that_the_operator_gives_and_keys(make_platform, tmp_path):
    control = f"sqlite:///{tmp_path / 'control.db'}"
    platform = make_platform("--host-names", "vedette.internal", "--control-url", control, name="named")
    assert ask(platform, Host="vedette.internal:80")[0] == 200
    assert ask(platform, Host="other.internal")[0] == 403
    behind_a_proxy = {"Host": "127.0.0.1", "Origin": "https://vedette.internal"}
    assert ask(platform, "POST", "/api/v1/sql", **behind_a_proxy)[0] == 200

    create = [sys.executable, "-m", "vedette.cli.main", "key", "create", "one", "--scope", "admin"]
    made = subprocess.run([*create, "--control-url", control], check=True, capture_output=True, text=True)
    key = {"Authorization": f"Bearer {made.stdout.strip()}"}
    while ask(platform)[0] != 401:
        time.sleep(0.05)
    assert ask(platform, Host="other.internal")[0] == 401
    assert ask(platform, Host="other.internal", **key)[0] == 200
