"""`vedette query sql` as somebody types it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest


def run(platform, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vedette.cli.main", "query", "sql", *arguments, "--url", platform.url]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_a_pipe_gets_tab_separated_values_or_any_format(shared_platform) -> None:
    assert run(shared_platform, "SELECT 1 AS a, 'x\ty' AS b").stdout == "a\tb\n1\tx\\ty\n"
    assert run(shared_platform, "SELECT 1 AS a", "--format", "JSONEachRow").stdout == '{"a":1}\n'
    assert run(shared_platform, "-", stdin="SELECT 2 AS a FORMAT CSV").stdout == "2\n"


def test_a_refusal_is_one_sentence(shared_platform) -> None:
    result = run(shared_platform, "SELECT * FROM system.tables")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("vedette: 'system' cannot be asked")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("--format", "TSVRaw")])
def test_a_terminal_gets_nothing_that_it_obeys(shared_platform, arguments: tuple[str, ...]) -> None:
    statement = "SELECT 'red\\x1b[31m[bold]' AS `na\u202eme`, 42 AS n"
    command = [sys.executable, "-m", "vedette.cli.main", "query", "sql", statement, *arguments]
    command += ["--url", shared_platform.url]
    reading, writing = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=writing, stderr=writing, env=environment) as process:
        os.close(writing)
        output = b""
        try:
            while chunk := os.read(reading, 4096):
                output += chunk
        except OSError:
            pass
        assert process.wait() == 0
    os.close(reading)
    assert b"\x1b" not in output
    assert b"red\\x1b[31m[bold]" in output
    assert b"42" in output
    assert "\u202e".encode() not in output
