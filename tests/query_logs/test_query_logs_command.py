"""`vedette query logs` and `vedette tail` as somebody types them."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from log_lines import Line, recent
from typer.testing import CliRunner

from vedette.cli.client import Client, RequestFailed, inert
from vedette.cli.query_logs import logs

app = typer.Typer()
app.command()(logs)
NASTY = "red\x1b[31m bell\x07 return\r new\nline c1\x9b1m bidi\u202e [bold]markup[/bold] :smile:"


@pytest.fixture
def run(tenant):
    """Runs a command for the tenant."""

    def invoke(*arguments: str, code: int = 0) -> str:
        where = ["--tenant", tenant.headers["X-Scope-OrgID"], "--url", tenant.platform.url]
        result = CliRunner().invoke(app, [*arguments, *where])
        assert result.exit_code == code, result.output
        return result.output

    return invoke


def test_lines_are_printed_like_a_log(tenant, run) -> None:
    at = recent()
    tenant.send(
        Line("older", at, severity="error", service="checkout", attributes={"n": 1, "s": "two words"}),
        Line("newer", at + 1, severity="unset"),
        Line("not asked for", at, severity="debug"),
    )
    first, second = run("severity:error OR newer").splitlines()
    assert first.split(maxsplit=2)[2] == "ERROR checkout older n=1 s=two words"
    assert second.split(maxsplit=2)[2] == "-     shop newer"
    assert run("--limit", "1", "older OR newer").count("\n") == 1
    assert "Look further back" in run("nothing-like-this")


def test_many_lines_are_fetched_page_by_page(tenant, run) -> None:
    at = recent()
    tenant.send(*(Line(f"line {number}", at + number) for number in range(1_050)))
    lines = [json.loads(line) for line in run("--json", "--limit", "1040").splitlines()]
    assert [line["body"] for line in lines] == [f"line {number}" for number in range(1_049, 9, -1)]


def test_nothing_in_a_line_reaches_the_terminal(tenant, run) -> None:
    tenant.send(Line(NASTY, recent(), service=NASTY, attributes={NASTY: NASTY}))
    for output in (run(), run("--json")):
        text = output.rstrip("\n")
        assert "\n" not in text
        assert not any(character in text for character in "\x1b\x07\r\x9b\u202e")
        assert "[bold]markup[/bold] :smile:" in text
    assert json.loads(run("--json"))["body"] == NASTY


def test_errors_are_one_sentence(run) -> None:
    assert run("severity:bad", code=1) == (
        "vedette: 'bad' is no severity; there are unset, trace, debug, info, warn, error, fatal. "
        "The sender's own word is in severity_text, the number in severity_number. (character 10)\n"
    )


def test_a_server_that_is_not_there_is_named() -> None:
    result = CliRunner().invoke(app, ["--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:1" in result.output
    assert "vedette serve" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:port", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RequestFailed, match="no server address"):
        Client(url)


@given(st.text())
def test_inert_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = inert(text)
    assert all(character == "\t" or character.isprintable() or ord(character) > 0x9F for character in shown)
    assert "\u202e" not in shown
    shown.encode()


def test_tail_follows_until_it_is_stopped(shared_platform) -> None:
    from log_lines import Tenant  # noqa: PLC0415 - the path is set by pytest

    # Without a key the command is in the tenant `default`, which other tests may use too.
    tenant = Tenant(shared_platform, "default")
    command = [sys.executable, "-m", "vedette.cli.main", "tail", "follow-me", "--json", "--url", shared_platform.url]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Whoever runs the tests may have told its children to ignore Ctrl-C.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(command, **pipes, preexec_fn=heed) as process:  # noqa: PLW1509 - no threads are needed there
        assert process.stdout is not None
        found: list[str] = []
        number = 0
        # The command has no way to say that it listens, so lines are sent until one arrives.
        os.set_blocking(process.stdout.fileno(), False)
        while not found:
            number += 1
            answer = shared_platform.otlp("logs", _request(f"follow-me {number}"))
            assert answer.status == 200
            found = process.stdout.readlines()
            time.sleep(0.05)
        body = json.loads(found[0])["body"]
        assert body.startswith("follow-me ")
        process.send_signal(signal.SIGINT)
        # Read to the end: a full pipe would hold it up.
        os.set_blocking(process.stdout.fileno(), True)
        process.stdout.read()
        assert process.wait() == 130
    assert tenant.name == "default"


def _request(body: str) -> bytes:
    from log_lines import request  # noqa: PLC0415 - the path is set by pytest

    return request([Line(body, recent(1))])
